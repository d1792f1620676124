//! The build of a Python release: a virtualenv of its own, in `.venv`, and its dependencies.
//!
//! A virtualenv is never shared between releases: what one release installs, another must not
//! run. Its interpreter is the machine's; its path is written into its scripts, which stay true
//! because a release never moves after its build.

use toml::{Table, Value};

use super::contents::Contents;
use super::plan::words;

/// Whether the file is of a project, and not only the settings of some tools.
pub(super) fn declares_project(pyproject: &Table) -> bool {
    let poetry = pyproject.get("tool").and_then(|tool| tool.get("poetry"));
    pyproject.contains_key("project") || pyproject.contains_key("build-system") || poetry.is_some()
}

/// The commands: the virtualenv, what `requirements.txt` lists, then the project.
pub(super) fn commands(contents: &Contents) -> Vec<Vec<String>> {
    // An archive may have brought a virtualenv of the machine that it was packed on.
    let mut commands = vec![words(&["python3", "-m", "venv", "--clear", ".venv"])];
    let requirements = contents.has("requirements.txt");
    if requirements {
        commands.push(pip(["-r".to_owned(), "requirements.txt".to_owned()]));
    }
    if let Some(pyproject) = contents.pyproject() {
        if is_package(pyproject) {
            commands.push(pip([".".to_owned()]));
        } else if !requirements {
            let dependencies = dependencies(pyproject);
            if !dependencies.is_empty() {
                // Nothing that a dependency is called becomes an option.
                commands.push(pip(std::iter::once("--".to_owned()).chain(dependencies)));
            }
        }
    }
    commands.push(words(&[".venv/bin/python", "-c", COMPILE_SOURCES]));
    commands
}

/// The release's own sources are compiled too: its tree is read-only when it runs. A source that
/// this Python cannot compile may be meant for another one, and does not fail the build.
const COMPILE_SOURCES: &str = "import compileall, re; \
    compileall.compile_dir('.', quiet=2, rx=re.compile(r'/(\\.venv|node_modules)/'))";

fn pip(arguments: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut command = words(&[
        ".venv/bin/python",
        "-m",
        "pip",
        "--no-input",
        "--disable-pip-version-check",
        "install",
        "--compile",
    ]);
    command.extend(arguments);
    command
}

/// Whether the project itself is installed, and not only what it depends on: if it says how it is
/// built, or has something that only an installation makes (commands, computed dependencies). One
/// that only lists what it needs is run from its sources, which often are no package at all.
fn is_package(pyproject: &Table) -> bool {
    let Some(project) = pyproject.get("project").and_then(Value::as_table) else {
        return pyproject.contains_key("build-system");
    };
    let computed = project
        .get("dynamic")
        .and_then(Value::as_array)
        .is_some_and(|keys| keys.iter().any(|key| key.as_str() == Some("dependencies")));
    pyproject.contains_key("build-system")
        || ["scripts", "gui-scripts", "entry-points"].iter().any(|key| project.contains_key(*key))
        || computed
}

fn dependencies(pyproject: &Table) -> Vec<String> {
    pyproject
        .get("project")
        .and_then(|project| project.get("dependencies"))
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|dependency| dependency.as_str().map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What pip is asked to install, a line for each command.
    fn installed(names: &[&str], pyproject: Option<&str>) -> Vec<String> {
        commands(&Contents::of(names, pyproject))
            .iter()
            .filter_map(|command| {
                let start = command.iter().position(|word| word == "--compile")?;
                Some(command[start + 1..].join(" "))
            })
            .collect()
    }

    #[test]
    fn requirements_come_first_and_a_package_after_them() {
        let package = Some("[build-system]\nrequires = []\n[project]\nname = 'x'\n");
        assert_eq!(installed(&["requirements.txt"], None), ["-r requirements.txt"]);
        assert_eq!(installed(&["requirements.txt"], package), ["-r requirements.txt", "."]);
        assert_eq!(installed(&[], package), ["."]);
    }

    #[test]
    fn a_project_that_is_no_package_gets_what_it_depends_on() {
        let text = "[project]\nname = 'x'\ndependencies = ['six==1.16.0', 'idna>=3']\n";
        assert_eq!(installed(&[], Some(text)), ["-- six==1.16.0 idna>=3"]);
        assert_eq!(installed(&["requirements.txt"], Some(text)), ["-r requirements.txt"]);
        let with_command = format!("{text}[project.scripts]\nx = 'x:main'\n");
        assert_eq!(installed(&[], Some(&with_command)), ["."]);
        assert_eq!(
            installed(&[], Some("[project]\nname = 'x'\ndynamic = ['dependencies']")),
            ["."]
        );
        assert_eq!(installed(&[], Some("[tool.ruff]")), Vec::<String>::new());
    }
}
