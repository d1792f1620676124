//! The lock files of Python's package managers, and what installs just what each says.

use protocol::{BuildKind, BuildSection, LockUse, Requirements};

use super::contents::Contents;
use super::error::PlanError;
use super::recipe::{Recipe, words};

/// The lock file that is no program's own (PEP 751). One of several has a name in its name: `pylock.web.toml`.
const OF_NO_PROGRAM: &str = "pylock.toml";

/// The lock files of programs, and the project file that is read with each.
const LOCKS: [(&str, &str); 4] = [
    ("uv.lock", "pyproject.toml"),
    ("poetry.lock", "pyproject.toml"),
    ("pdm.lock", "pyproject.toml"),
    ("Pipfile.lock", "Pipfile"),
];

/// The lock file of the release, unless it names its requirements. One that cannot be read is not passed over
/// in silence.
pub(super) fn lock_file<'a>(
    contents: &'a Contents,
    section: &BuildSection,
) -> Result<Option<&'a str>, PlanError> {
    let named = &section.python.requirements;
    if matches!(named, Some(Requirements::File(_) | Requirements::Default(true))) {
        return Ok(None);
    }
    let there = || LOCKS.into_iter().filter(|(lock, _)| contents.has(lock));
    if let Some((lock, _)) = there().find(|(_, project)| contents.has(project)) {
        return Ok(Some(lock));
    }
    let is_frozen = section.lock == LockUse::Frozen;
    match (&of_no_program(contents)[..], there().next()) {
        ([lock], _) => Ok(Some(lock)),
        ([], Some((lock, project))) if is_frozen => Err(PlanError::LockAlone { lock, project }),
        ([], lock) => Ok(lock.map(|(lock, _)| lock)),
        (several, _) if is_frozen => {
            let locks = several.iter().map(|lock| (*lock).to_owned()).collect();
            Err(PlanError::SeveralLocks { locks })
        }
        ([first, ..], _) => Ok(Some(first)),
    }
}

/// The lock files that are no program's own: the one without a name in its name, else all that have one.
pub(super) fn of_no_program(contents: &Contents) -> Vec<&str> {
    match contents.names(|name| name == OF_NO_PROGRAM) {
        own if own.is_empty() => contents.names(is_of_no_program),
        own => own,
    }
}

fn is_of_no_program(lock: &str) -> bool {
    let name = lock.strip_prefix("pylock.").and_then(|rest| rest.strip_suffix(".toml"));
    lock == OF_NO_PROGRAM || name.is_some_and(|name| !name.is_empty() && !name.contains('.'))
}

/// Whether the program of the lock file installs the project as well.
pub(super) fn installs_project(lock: &str) -> bool {
    !is_of_no_program(lock)
}

/// Whether the program of the lock file looks for a fitting interpreter itself.
pub(super) fn finds_python(lock: &str) -> bool {
    lock == "uv.lock"
}

/// Installs just what the lock says into `.venv`, without what is for development, and fails where
/// the lock does not fit the project.
pub(super) fn recipe(lock: &str, extras: &[String]) -> Recipe {
    let of = |program| Recipe::locked(BuildKind::Python, program, lock);
    let each = |option: &str| -> Vec<String> {
        extras.iter().flat_map(|extra| [option.to_owned(), extra.clone()]).collect()
    };
    let venv = ["python3", "-m", "venv", "--clear", ".venv"];
    let (mut recipe, extras) = match lock {
        "poetry.lock" => (
            of("poetry")
                .run(&venv)
                .run(&["poetry", "install", "--no-interaction", "--only", "main"])
                .told(&[("POETRY_VIRTUALENVS_IN_PROJECT", "true")]),
            each("--extras"),
        ),
        "pdm.lock" => (
            of("pdm")
                .run(&venv)
                .run(&["pdm", "install", "--frozen-lockfile", "--prod", "--no-editable"])
                .told(&[("PDM_CHECK_UPDATE", "false"), ("PDM_USE_VENV", "true")]),
            each("--group"),
        ),
        "Pipfile.lock" => (
            of("pipenv")
                .run(&venv)
                .run(&["pipenv", "install", "--deploy"])
                .told(&[("PIPENV_VENV_IN_PROJECT", "1"), ("PIPENV_NOSPIN", "1")]),
            Vec::new(),
        ),
        lock if is_of_no_program(lock) => (
            of("uv")
                .run(&venv)
                .run(&[&["uv", "pip", "sync"][..], &UV_PIP, &[lock]].concat())
                .told(&UV_COPIES),
            each("--extra"),
        ),
        _ => (
            of("uv")
                .run(&["uv", "sync", "--frozen", "--no-dev", "--no-editable", "--compile-bytecode"])
                .told(&UV_COPIES),
            each("--extra"),
        ),
    };
    if let Some(install) = recipe.commands.last_mut() {
        install.extend(extras);
    }
    recipe
}

/// Installs the project beside what the lock says, and nothing that it depends on.
pub(super) fn install_alone(package: &str) -> Vec<String> {
    words(&[&["uv", "pip", "install"][..], &UV_PIP, &["--no-deps", package]].concat())
}

/// Into the virtualenv of the release.
const UV_PIP: [&str; 3] = ["--python", ".venv/bin/python", "--compile-bytecode"];
/// What runs is the release's own: no interpreter and no file is its cache's.
const UV_COPIES: [(&str, &str); 2] = [("UV_LINK_MODE", "copy"), ("UV_PYTHON_DOWNLOADS", "never")];

/// Whether each requirement of a file has one version, as in what a tool has made.
pub(super) fn is_pinned(text: &str) -> bool {
    let mut requirements = requirements(text).peekable();
    requirements.peek().is_some() && requirements.all(|line| line.contains("=="))
}

/// Whether a file has the hashes of what it lists.
pub(super) fn is_hashed(text: &str) -> bool {
    text.lines().any(|line| !line.trim_start().starts_with('#') && line.contains("--hash="))
}

/// The lines that begin a requirement, or name another file of them.
fn requirements(text: &str) -> impl Iterator<Item = &str> {
    let options = ["--hash", "--index-url", "--extra-index-url", "--find-links", "-i ", "-f "];
    text.lines().map(str::trim).filter(move |line| {
        !line.is_empty()
            && !line.starts_with('#')
            && !options.iter().any(|option| line.starts_with(option))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(files: &[&str], lock: LockUse) -> Result<Option<String>, PlanError> {
        let files: Vec<_> = files.iter().map(|name| (*name, "")).collect();
        let section = BuildSection { lock, ..BuildSection::default() };
        lock_file(&Contents::of(&files), &section).map(|lock| lock.map(str::to_owned))
    }

    fn locked(files: &[&str]) -> Option<String> {
        tried(files, LockUse::Frozen).unwrap()
    }

    #[test]
    fn each_lock_file_is_read_by_its_own_program() {
        for (files, install) in [
            (
                ["uv.lock", "pyproject.toml"],
                "uv sync --frozen --no-dev --no-editable --compile-bytecode --extra web",
            ),
            (
                ["poetry.lock", "pyproject.toml"],
                "poetry install --no-interaction --only main --extras web",
            ),
            (
                ["pdm.lock", "pyproject.toml"],
                "pdm install --frozen-lockfile --prod --no-editable --group web",
            ),
            (["Pipfile.lock", "Pipfile"], "pipenv install --deploy"),
            (
                ["pylock.toml", "requirements.txt"],
                "uv pip sync --python .venv/bin/python --compile-bytecode pylock.toml --extra web",
            ),
            (
                ["pylock.web.toml", "setup.py"],
                "uv pip sync --python .venv/bin/python --compile-bytecode pylock.web.toml --extra web",
            ),
        ] {
            let recipe = recipe(&locked(&files).unwrap(), &["web".to_owned()]);
            assert_eq!(recipe.commands.last().unwrap().join(" "), install);
            assert_eq!(recipe.lock.as_deref(), Some(files[0]));
        }
        assert_eq!(locked(&["pyproject.toml"]), None);
    }

    #[test]
    fn of_several_locks_of_no_program_none_is_guessed() {
        let several = ["pylock.dev.toml", "pylock.web.toml"];
        let refused = tried(&several, LockUse::Frozen).unwrap_err().to_string();
        assert!(refused.contains("pylock.dev.toml, pylock.web.toml"), "{refused}");
        assert_eq!(tried(&several, LockUse::Ignore).unwrap().as_deref(), Some(several[0]));
        let of = |more: &str| locked(&[several[0], several[1], more, "pyproject.toml"]);
        assert_eq!(of("pylock.toml").as_deref(), Some("pylock.toml"));
        assert_eq!(of("uv.lock").as_deref(), Some("uv.lock"));
        for other in ["pylock..toml", "pylock.a.b.toml", "pylock.web.toml.bak", "mypylock.toml"] {
            assert_eq!(locked(&[other]), None, "{other}");
        }
    }

    #[test]
    fn what_is_pinned_is_told_from_what_is_not() {
        assert!(is_pinned(
            "# by pip-compile\n-i https://x\na==1 \\\n    --hash=sha256:0\nb[c]==2\n"
        ));
        for loose in ["a==1\nb>=2\n", "-e .\n", "-r other.txt\n", "", "# a==1\n", "git+https://x\n"]
        {
            assert!(!is_pinned(loose), "{loose}");
        }
        assert!(is_hashed("a==1 --hash=sha256:0\n") && !is_hashed("a==1\n# --hash=\n"));
    }
}
