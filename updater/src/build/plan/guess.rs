//! Guessing a release's build by what its root has.

use protocol::{BuildKind, BuildSection, LockUse};

use super::contents::Contents;
use super::error::PlanError;
use super::recipe::Recipe;
use super::version_range::VersionRange;
use super::{node, python, unknown};

const MAKEFILES: [&str; 3] = ["GNUmakefile", "makefile", "Makefile"];

/// The build of a release that does not say it; none where nothing is to be built.
///
/// A `pyproject.toml` that only holds the settings of some tools does not make a Rust or a Node
/// project a Python one; one that declares a project does, since such a project brings its
/// `Cargo.toml` along (maturin). So does a `setup.py`.
pub(super) fn guess(
    contents: &Contents,
    section: &BuildSection,
) -> Result<Option<Recipe>, PlanError> {
    let mut recipe = if python::is_project(contents, &section.python) {
        python::recipe(contents, section)?
    } else if contents.has("Cargo.toml") {
        cargo(contents, section.lock)
    } else if contents.has("package.json") {
        node::recipe(contents, section.lock)
    } else if contents.has("pyproject.toml") {
        python::recipe(contents, section)?
    } else {
        let makefile = contents.first_of(&MAKEFILES);
        let by_make = |file| Recipe::new(BuildKind::Make, "make", file).run(&["make"]);
        return Ok(makefile.map(by_make));
    };
    recipe.notes.extend(unknown::left_unbuilt(contents));
    Ok(Some(recipe))
}

fn cargo(contents: &Contents, lock: LockUse) -> Recipe {
    let wanted = rust_version(contents);
    let of = |file| {
        let recipe = Recipe::new(BuildKind::Cargo, "cargo", file);
        recipe.wanting("cargo", wanted.clone(), "rust-version in Cargo.toml")
    };
    match (contents.has("Cargo.lock"), lock) {
        (true, LockUse::Frozen) => {
            of("Cargo.lock").run(&["cargo", "build", "--release", "--locked"])
        }
        (has_lock, _) => {
            let recipe = of("Cargo.toml").run(&["cargo", "build", "--release"]);
            recipe.ignoring(has_lock.then_some("Cargo.lock"))
        }
    }
}

fn rust_version(contents: &Contents) -> Option<VersionRange> {
    let manifest = contents.toml("Cargo.toml")?;
    let of = |table: &toml::Table| Some(table.get("rust-version")?.as_str()?.to_owned());
    let package = manifest.get("package").and_then(toml::Value::as_table).and_then(of);
    let workspace = || {
        let shared = manifest.get("workspace")?.get("package")?.as_table()?;
        of(shared)
    };
    VersionRange::at_least(&package.or_else(workspace)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(files: &[(&str, &str)]) -> Option<Recipe> {
        guess(&Contents::of(files), &BuildSection::default()).unwrap()
    }

    fn kind(files: &[(&str, &str)]) -> BuildKind {
        built(files).map_or(BuildKind::None, |recipe| recipe.kind)
    }

    #[test]
    fn a_lock_file_is_held_to() {
        let command = |files| built(files).unwrap().commands[0].join(" ");
        let locked = [("Cargo.toml", ""), ("Cargo.lock", "")];
        assert_eq!(command(&locked), "cargo build --release --locked");
        assert_eq!(command(&locked[..1]), "cargo build --release");
        let ignore = BuildSection { lock: LockUse::Ignore, ..BuildSection::default() };
        let recipe = guess(&Contents::of(&locked), &ignore).unwrap().unwrap();
        assert_eq!(recipe.ignored_lock.as_deref(), Some("Cargo.lock"));
        assert_eq!(recipe.commands[0].join(" "), "cargo build --release");
    }

    #[test]
    fn the_settings_of_a_python_tool_make_no_python_project() {
        let ruff = ("pyproject.toml", "[tool.ruff]");
        assert_eq!(kind(&[ruff, ("Cargo.toml", "")]), BuildKind::Cargo);
        assert_eq!(kind(&[ruff, ("Makefile", "")]), BuildKind::Python);
        let project = ("pyproject.toml", "[project]\nname = 'x'");
        assert_eq!(kind(&[project, ("Cargo.toml", "")]), BuildKind::Python);
        let requirements = ("requirements.txt", "");
        assert_eq!(kind(&[requirements, ("package.json", "")]), BuildKind::Python);
        assert_eq!(kind(&[("GNUmakefile", "")]), BuildKind::Make);
    }

    #[test]
    fn what_is_said_to_be_guessed_is() {
        for name in protocol::GUESSED_BUILD_FILES {
            let guessed = guess(&Contents::of(&[(name, "")]), &BuildSection::default());
            assert_ne!(guessed, Ok(None), "{name}");
        }
    }

    #[test]
    fn a_setup_py_is_a_python_project_as_it_is_to_pip() {
        for others in [&[][..], &[("Makefile", "")], &[("package.json", "{}")]] {
            assert_eq!(kind(&[&[("setup.py", "")], others].concat()), BuildKind::Python);
        }
        let with_build_system =
            [("setup.cfg", "[metadata]\nname = x\n"), ("pyproject.toml", "[build-system]\n")];
        assert_eq!(kind(&with_build_system), BuildKind::Python);
        let alone = guess(&Contents::of(&with_build_system[..1]), &BuildSection::default());
        assert_eq!(alone, Err(PlanError::NotInstallable { file: "setup.cfg" }));
        assert_eq!(kind(&[("setup.cfg", "[flake8]\n")]), BuildKind::None);
    }

    #[test]
    fn what_is_left_out_in_another_language_is_said() {
        let notes = |files| built(files).unwrap().notes;
        let both = [("package.json", "{}"), ("Gemfile", "")];
        assert_eq!(
            notes(&both),
            ["nothing is built by Gemfile: say `[build] commands` if it has to be"]
        );
        assert!(notes(&[("Makefile", ""), ("go.mod", "")]).is_empty());
    }

    #[test]
    fn a_package_says_which_rust_it_wants() {
        let wanted = |text| built(&[("Cargo.toml", text)]).unwrap().versions;
        assert_eq!(wanted("[package]\nname = 'x'\nrust-version = '1.85'").len(), 1);
        assert_eq!(wanted("[workspace.package]\nrust-version = '1.85'").len(), 1);
        assert!(wanted("[package]\nname = 'x'\nrust-version.workspace = true").is_empty());
    }
}
