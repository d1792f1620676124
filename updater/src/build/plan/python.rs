//! The build of a Python release: a virtualenv of its own, in `.venv`, and its dependencies.
//!
//! A virtualenv is never shared between releases: what one release installs, another must not
//! run. Its interpreter is the machine's; its path is written into its scripts, which stay true
//! because a release never moves after its build.

use protocol::{
    BuildKind, BuildSection, LockUse, PythonSection, Requirements, is_setup_cfg_of_project,
};
use toml::{Table, Value};

use super::contents::Contents;
use super::error::PlanError;
use super::python_lock::{self, is_hashed, is_pinned};
use super::recipe::{Recipe, words};
use super::version_range::VersionRange;

/// Whether the release is a Python project: what it says, or has, declares one.
pub(super) fn is_project(contents: &Contents, section: &PythonSection) -> bool {
    *section != PythonSection::default()
        || ["requirements.txt", "setup.py", "Pipfile.lock"].iter().any(|name| contents.has(name))
        || !python_lock::of_no_program(contents).is_empty()
        || is_setup_cfg_of_project(contents.text("setup.cfg"))
        || contents.toml("pyproject.toml").is_some_and(|pyproject| declares_project(&pyproject))
}

/// The build, by a lock file if there is one.
pub(super) fn recipe(contents: &Contents, section: &BuildSection) -> Result<Recipe, PlanError> {
    let pyproject = contents.toml("pyproject.toml");
    let mut recipe = match (python_lock::lock_file(contents, section)?, section.lock) {
        (Some(lock), LockUse::Frozen) => by_lock(lock, contents, pyproject.as_ref(), section)?,
        (lock, _) => by_pip(contents, pyproject.as_ref(), section)?.ignoring(lock),
    };
    let range = pyproject.as_ref().and_then(requires_python);
    if !recipe.lock.as_deref().is_some_and(python_lock::finds_python) {
        let said = "requires-python in pyproject.toml";
        recipe = recipe.wanting("python3", range, said);
    }
    // The release's own sources are compiled too: its tree is read-only when it runs.
    recipe.compile = Some(words(&[".venv/bin/python", "-c", COMPILE_SOURCES]));
    Ok(recipe)
}

fn by_lock(
    lock: &str,
    contents: &Contents,
    pyproject: Option<&Table>,
    section: &BuildSection,
) -> Result<Recipe, PlanError> {
    let mut recipe = python_lock::recipe(lock, &section.python.extras);
    if !python_lock::installs_project(lock)
        && let Some(package) = package(contents, pyproject, &section.python)?
    {
        recipe.commands.push(python_lock::install_alone(&package));
    }
    Ok(recipe)
}

/// A source that this Python cannot compile may be meant for another one, and does not fail the build.
const COMPILE_SOURCES: &str = "import compileall, re; \
    compileall.compile_dir('.', quiet=2, rx=re.compile(r'/(\\.venv|node_modules)/'))";

/// Whether the file is of a project, and not only the settings of some tools.
fn declares_project(pyproject: &Table) -> bool {
    pyproject.contains_key("project")
        || pyproject.contains_key("build-system")
        || poetry(pyproject).is_some()
}

fn poetry(pyproject: &Table) -> Option<&Value> {
    pyproject.get("tool")?.get("poetry")
}

/// The virtualenv, what the requirements list, then the project.
fn by_pip(
    contents: &Contents,
    pyproject: Option<&Table>,
    section: &BuildSection,
) -> Result<Recipe, PlanError> {
    let package = package(contents, pyproject, &section.python)?;
    let (requirements, note) =
        requirements(contents, pyproject, &section.python, package.is_some());
    let from = match (&requirements, pyproject) {
        (Some(file), _) => file.as_str(),
        (None, Some(_)) => "pyproject.toml",
        _ if contents.has("setup.py") => "setup.py",
        _ => "setup.cfg",
    };
    // An archive may have brought a virtualenv of the machine that it was packed on.
    let mut recipe = Recipe::new(BuildKind::Python, "python3", from)
        .run(&["python3", "-m", "venv", "--clear", ".venv"]);
    recipe.by.0 = "pip";
    recipe.notes.extend(note);
    let is_hashed = requirements.as_deref() == Some("requirements.txt")
        && is_hashed(contents.text("requirements.txt"))
        && section.lock == LockUse::Frozen;
    let has_requirements = requirements.is_some();
    if let Some(file) = requirements {
        let hashes = is_hashed.then(|| "--require-hashes".to_owned());
        recipe.commands.push(pip(hashes.into_iter().chain(["-r".to_owned(), file])));
    }
    if let Some(package) = package {
        // What has a hash is all that may come.
        let alone = is_hashed.then(|| "--no-deps".to_owned());
        recipe.commands.push(pip(alone.into_iter().chain([package])));
    } else if let Some(pyproject) = pyproject.filter(|_| !has_requirements) {
        let dependencies = dependencies(pyproject);
        if !dependencies.is_empty() {
            // Nothing that a dependency is called becomes an option.
            recipe.commands.push(pip(std::iter::once("--".to_owned()).chain(dependencies)));
        }
    }
    Ok(recipe)
}

/// The project as pip is given it, if it is installed itself, and not only what it depends on.
fn package(
    contents: &Contents,
    pyproject: Option<&Table>,
    section: &PythonSection,
) -> Result<Option<String>, PlanError> {
    let has_setup = contents.has("setup.py");
    let by_setup_cfg = is_setup_cfg_of_project(contents.text("setup.cfg"));
    let extras = &section.extras;
    if !(has_setup || by_setup_cfg || pyproject.is_some_and(is_package) || !extras.is_empty()) {
        return Ok(None);
    }
    if !has_setup && pyproject.is_none() {
        let file = if by_setup_cfg { "setup.cfg" } else { "release.toml" };
        return Err(PlanError::NotInstallable { file });
    }
    let extras = if extras.is_empty() { String::new() } else { format!("[{}]", extras.join(",")) };
    Ok(Some(format!(".{extras}")))
}

/// The file of requirements that is installed, and what is said where one is passed over.
///
/// In a package that says itself what it depends on, a `requirements.txt` is what its developers
/// use, as a rule; unless it pins versions, as what a tool has made of those dependencies does.
fn requirements(
    contents: &Contents,
    pyproject: Option<&Table>,
    section: &PythonSection,
    is_package: bool,
) -> (Option<String>, Option<String>) {
    let usual = contents.has("requirements.txt").then(|| "requirements.txt".to_owned());
    match &section.requirements {
        Some(Requirements::File(file)) => (Some(file.clone()), None),
        Some(Requirements::Default(true)) => (Some("requirements.txt".to_owned()), None),
        Some(Requirements::Default(false)) => (None, None),
        None => {
            let says_itself = is_package && pyproject.is_some_and(says_dependencies);
            if says_itself && usual.is_some() && !is_pinned(contents.text("requirements.txt")) {
                let note = "requirements.txt is not installed: pyproject.toml says what the package \
                            needs (else: [build] python = { requirements = true })";
                return (None, Some(note.to_owned()));
            }
            (usual, None)
        }
    }
}

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

/// Whether the project itself is installed: if it says how it is built, or has something that only
/// an installation makes (commands, computed dependencies). One that only lists what it needs is run
/// from its sources, which often are no package at all.
fn is_package(pyproject: &Table) -> bool {
    let Some(project) = pyproject.get("project").and_then(Value::as_table) else {
        return pyproject.contains_key("build-system");
    };
    pyproject.contains_key("build-system")
        || ["scripts", "gui-scripts", "entry-points"].iter().any(|key| project.contains_key(*key))
        || computes_dependencies(project)
}

fn computes_dependencies(project: &Table) -> bool {
    let keys = project.get("dynamic").and_then(Value::as_array);
    keys.is_some_and(|keys| keys.iter().any(|key| key.as_str() == Some("dependencies")))
}

/// Whether the file itself says what the package depends on.
fn says_dependencies(pyproject: &Table) -> bool {
    let project = pyproject.get("project").and_then(Value::as_table);
    !dependencies(pyproject).is_empty()
        || project.is_some_and(computes_dependencies)
        || poetry(pyproject).is_some_and(|poetry| poetry.get("dependencies").is_some())
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

fn requires_python(pyproject: &Table) -> Option<VersionRange> {
    let said = pyproject.get("project").and_then(|project| project.get("requires-python"));
    let of_poetry =
        || poetry(pyproject)?.get("dependencies").and_then(|needed| needed.get("python"));
    VersionRange::of_python(said.or_else(of_poetry)?.as_str()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(files: &[(&str, &str)], lines: &str) -> Recipe {
        let section = toml::from_str(lines).unwrap();
        recipe(&Contents::of(files), &section).unwrap()
    }

    /// What pip is asked to install, a line for each command.
    fn installed(files: &[(&str, &str)], lines: &str) -> Vec<String> {
        let commands = built(files, lines).commands;
        let of = |command: &Vec<String>| {
            let start = command.iter().position(|word| word == "--compile")?;
            Some(command[start + 1..].join(" "))
        };
        commands.iter().filter_map(of).collect()
    }

    const PACKAGE: (&str, &str) =
        ("pyproject.toml", "[build-system]\nrequires = []\n[project]\nname = 'x'\n");
    const SAYS_DEPENDENCIES: (&str, &str) = (
        "pyproject.toml",
        "[build-system]\nrequires = []\n[project]\nname = 'x'\ndependencies = ['idna>=3']\n",
    );
    const REQUIREMENTS: (&str, &str) = ("requirements.txt", "idna>=3\n");

    #[test]
    fn requirements_come_first_and_a_package_after_them() {
        assert_eq!(installed(&[REQUIREMENTS], ""), ["-r requirements.txt"]);
        assert_eq!(installed(&[REQUIREMENTS, PACKAGE], ""), ["-r requirements.txt", "."]);
        assert_eq!(installed(&[PACKAGE], ""), ["."]);
        assert_eq!(installed(&[("setup.py", "")], ""), ["."]);
        assert_eq!(built(&[("setup.py", "")], "").with(), "pip from setup.py");
    }

    #[test]
    fn a_package_that_says_what_it_needs_is_not_given_its_developers_requirements() {
        let files = [SAYS_DEPENDENCIES, ("requirements.txt", "-e .[standard]\npytest\n")];
        assert_eq!(installed(&files, ""), ["."]);
        assert!(built(&files, "").notes[0].starts_with("requirements.txt is not installed"));
        // What a tool has made of its dependencies pins them.
        let pinned = [SAYS_DEPENDENCIES, ("requirements.txt", "idna==3.7  # via x\n")];
        assert_eq!(installed(&pinned, ""), ["-r requirements.txt", "."]);
        let all = "python = { requirements = true }";
        assert_eq!(installed(&files, all), ["-r requirements.txt", "."]);
    }

    #[test]
    fn the_release_says_which_requirements_and_extras() {
        let files = [PACKAGE, REQUIREMENTS];
        let of = |python: &str| installed(&files, &format!("python = {{ {python} }}"));
        assert_eq!(of("requirements = false"), ["."]);
        assert_eq!(of("requirements = 'deploy/r.txt'"), ["-r deploy/r.txt", "."]);
        assert_eq!(of("requirements = false, extras = ['a', 'b']"), [".[a,b]"]);
        let named = built(&files, "python = { requirements = 'deploy/r.txt' }");
        assert_eq!(named.with(), "pip from deploy/r.txt");
    }

    #[test]
    fn what_has_hashes_is_all_that_may_come() {
        let files = [PACKAGE, ("requirements.txt", "idna==3.7 \\\n    --hash=sha256:00\n")];
        let held = ["--require-hashes -r requirements.txt", "--no-deps ."];
        assert_eq!(installed(&files, ""), held);
        assert_eq!(installed(&files, "lock = 'ignore'"), ["-r requirements.txt", "."]);
    }

    #[test]
    fn a_project_that_is_no_package_gets_what_it_depends_on() {
        let text = "[project]\nname = 'x'\ndependencies = ['six==1.16.0', 'idna>=3']\n";
        let project = ("pyproject.toml", text);
        assert_eq!(installed(&[project], ""), ["-- six==1.16.0 idna>=3"]);
        assert_eq!(installed(&[REQUIREMENTS, project], ""), ["-r requirements.txt"]);
        let with_command = format!("{text}[project.scripts]\nx = 'x:main'\n");
        assert_eq!(installed(&[("pyproject.toml", &with_command)], ""), ["."]);
        let computed = "[project]\nname = 'x'\ndynamic = ['dependencies']";
        assert_eq!(installed(&[("pyproject.toml", computed)], ""), ["."]);
        let settings = [("pyproject.toml", "[tool.ruff]")];
        assert_eq!(installed(&settings, ""), Vec::<String>::new());
    }

    #[test]
    fn a_lock_file_is_held_to_unless_the_release_says_otherwise() {
        let files = [SAYS_DEPENDENCIES, ("uv.lock", "")];
        assert_eq!(built(&files, "").with(), "uv from uv.lock");
        let ignoring = built(&files, "lock = 'ignore'");
        assert_eq!(ignoring.with(), "pip from pyproject.toml");
        assert_eq!(ignoring.ignored_lock.as_deref(), Some("uv.lock"));
        // The release names what is installed.
        let named = built(&files, "python = { requirements = 'r.txt' }");
        assert_eq!((named.by.0, named.ignored_lock), ("pip", None));
    }

    #[test]
    fn a_package_is_installed_beside_what_a_lock_of_no_program_says() {
        let last = |files: &[(&str, &str)]| built(files, "").commands.pop().unwrap().join(" ");
        let install = "uv pip install --python .venv/bin/python --compile-bytecode --no-deps .";
        assert_eq!(last(&[SAYS_DEPENDENCIES, ("pylock.toml", "")]), install);
        assert!(last(&[REQUIREMENTS, ("pylock.toml", "")]).ends_with(" pylock.toml"));
        let both = [SAYS_DEPENDENCIES, ("pylock.toml", ""), ("uv.lock", "")];
        assert_eq!(built(&both, "").with(), "uv from uv.lock");
    }

    #[test]
    fn the_python_that_it_wants_is_read() {
        let wants = |text: &str| built(&[("pyproject.toml", text)], "").versions.len();
        assert_eq!(wants("[project]\nname = 'x'\nrequires-python = '>=3.13'"), 1);
        assert_eq!(wants("[tool.poetry.dependencies]\npython = '^3.9'"), 1);
        assert_eq!(wants("[project]\nname = 'x'\nrequires-python = 'new'"), 0);
    }
}
