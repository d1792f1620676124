//! The lock files of Python's package managers, and what installs just what each says.

use protocol::{BuildKind, PythonSection, Requirements};

use super::contents::Contents;
use super::recipe::Recipe;

/// The lock files that only their own program reads, and the project file that each belongs to.
const LOCKS: [(&str, &str); 4] = [
    ("uv.lock", "pyproject.toml"),
    ("poetry.lock", "pyproject.toml"),
    ("pdm.lock", "pyproject.toml"),
    ("Pipfile.lock", "Pipfile"),
];

/// The lock file of the release, unless it names its requirements.
pub(super) fn lock_file(contents: &Contents, section: &PythonSection) -> Option<&'static str> {
    if matches!(section.requirements, Some(Requirements::File(_) | Requirements::Default(true))) {
        return None;
    }
    let there = |(lock, project): &&(&str, &str)| contents.has(lock) && contents.has(project);
    LOCKS.iter().find(there).map(|(lock, _)| *lock)
}

/// Installs just what the lock says into `.venv`, without what is for development, and fails where
/// the lock does not fit the project.
pub(super) fn recipe(lock: &'static str, extras: &[String]) -> Recipe {
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
        // What runs is the release's own: no interpreter and no file is its cache's.
        _ => (
            of("uv")
                .run(&["uv", "sync", "--frozen", "--no-dev", "--no-editable", "--compile-bytecode"])
                .told(&[("UV_LINK_MODE", "copy"), ("UV_PYTHON_DOWNLOADS", "never")]),
            each("--extra"),
        ),
    };
    if let Some(install) = recipe.commands.last_mut() {
        install.extend(extras);
    }
    recipe
}

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

    fn locked(files: &[&str]) -> Option<&'static str> {
        let files: Vec<_> = files.iter().map(|name| (*name, "")).collect();
        lock_file(&Contents::of(&files), &PythonSection::default())
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
        ] {
            let recipe = recipe(locked(&files).unwrap(), &["web".to_owned()]);
            assert_eq!(recipe.commands.last().unwrap().join(" "), install);
            assert_eq!(recipe.lock, Some(files[0]));
        }
        assert_eq!(locked(&["uv.lock"]), None);
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
