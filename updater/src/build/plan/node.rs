//! The build of a Node release: its packages, by the lock file that it has, and its script `build`.

use protocol::{BuildKind, LockUse};
use serde_json::Value;

use super::contents::Contents;
use super::recipe::Recipe;
use super::version_range::VersionRange;

/// A program that installs what a lock file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manager {
    Npm,
    Pnpm,
    Yarn,
    Bun,
}

/// The lock files, and which program reads each. The first counts where nothing says otherwise.
const LOCKS: [(&str, Manager); 6] = [
    ("package-lock.json", Manager::Npm),
    ("npm-shrinkwrap.json", Manager::Npm),
    ("pnpm-lock.yaml", Manager::Pnpm),
    ("yarn.lock", Manager::Yarn),
    ("bun.lock", Manager::Bun),
    ("bun.lockb", Manager::Bun),
];

pub(super) fn recipe(contents: &Contents, lock: LockUse) -> Recipe {
    let package = contents.json("package.json").unwrap_or_default();
    let found = lock_file(contents, &package);
    let recipe = match (found, lock) {
        (Some((file, manager)), LockUse::Frozen) => frozen(file, manager, contents, &package),
        (Some((file, _)), LockUse::Ignore) => newest().ignoring(Some(file)),
        (None, _) => newest(),
    };
    let engine = package.pointer("/engines/node").and_then(Value::as_str);
    let range = engine.and_then(VersionRange::of_node);
    recipe.wanting("node", range, "engines.node in package.json")
}

/// The lock file of the program that the package names, else the first that is there.
fn lock_file(contents: &Contents, package: &Value) -> Option<(&'static str, Manager)> {
    let named = package.get("packageManager").and_then(Value::as_str);
    let named = named.and_then(|text| Manager::named(text.split('@').next().unwrap_or_default()));
    let there = || LOCKS.into_iter().filter(|(file, _)| contents.has(file));
    there().find(|(_, manager)| Some(*manager) == named).or_else(|| there().next())
}

fn newest() -> Recipe {
    let recipe = Recipe::new(BuildKind::Npm, "npm", "package.json");
    npm(recipe, "install")
}

fn frozen(file: &'static str, manager: Manager, contents: &Contents, package: &Value) -> Recipe {
    let has_script = package.pointer("/scripts/build").is_some();
    match manager {
        // The lock file says which version it is: what is known of it from before has not become stale.
        Manager::Npm => npm(Recipe::new(BuildKind::Npm, "npm", file), "ci")
            .told(&[("npm_config_prefer_offline", "true")]),
        // Its files are copies: a release owns what it runs, and a cache does not.
        Manager::Pnpm => Recipe::locked(BuildKind::Npm, "pnpm", file)
            .run(&["pnpm", "install", "--frozen-lockfile", "--package-import-method=copy"])
            .run(&["pnpm", "run", "--if-present", "build"])
            .told(&NEVER_ASK),
        Manager::Yarn => {
            let recipe = Recipe::locked(BuildKind::Npm, "yarn", file).told(&NEVER_ASK);
            let recipe = if is_classic(contents.text(file)) {
                recipe.run(&["yarn", "install", "--frozen-lockfile", "--non-interactive"])
            } else {
                // What runs must be in the release, and not in the cache of its build.
                recipe
                    .run(&["yarn", "install", "--immutable"])
                    .told(&[("YARN_ENABLE_GLOBAL_CACHE", "false"), ("YARN_ENABLE_TELEMETRY", "0")])
            };
            if has_script { recipe.run(&["yarn", "run", "build"]) } else { recipe }
        }
        Manager::Bun => {
            let recipe = Recipe::locked(BuildKind::Npm, "bun", file).run(&[
                "bun",
                "install",
                "--frozen-lockfile",
                "--backend=copyfile",
            ]);
            if has_script { recipe.run(&["bun", "run", "build"]) } else { recipe }
        }
    }
}

/// Corepack asks on a terminal before it loads a program.
const NEVER_ASK: [(&str, &str); 1] = [("COREPACK_ENABLE_DOWNLOAD_PROMPT", "0")];

fn npm(recipe: Recipe, install: &str) -> Recipe {
    recipe.run(&["npm", install, "--no-audit", "--no-fund"]).run(&[
        "npm",
        "run",
        "build",
        "--if-present",
    ])
}

/// Whether a `yarn.lock` is of Yarn 1.
fn is_classic(lock: &str) -> bool {
    !lock.lines().any(|line| line.starts_with("__metadata:"))
}

impl Manager {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "npm" => Self::Npm,
            "pnpm" => Self::Pnpm,
            "yarn" => Self::Yarn,
            "bun" => Self::Bun,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(files: &[(&str, &str)]) -> String {
        recipe(&Contents::of(files), LockUse::Frozen).commands[0].join(" ")
    }

    #[test]
    fn each_lock_file_is_read_by_its_own_program() {
        let package = ("package.json", "{}");
        for (file, text, command) in [
            ("package-lock.json", "", "npm ci --no-audit --no-fund"),
            ("npm-shrinkwrap.json", "", "npm ci --no-audit --no-fund"),
            ("pnpm-lock.yaml", "", "pnpm install --frozen-lockfile --package-import-method=copy"),
            (
                "yarn.lock",
                "# yarn lockfile v1\n",
                "yarn install --frozen-lockfile --non-interactive",
            ),
            ("yarn.lock", "# x\n\n__metadata:\n  version: 8\n", "yarn install --immutable"),
            ("bun.lock", "", "bun install --frozen-lockfile --backend=copyfile"),
        ] {
            assert_eq!(first(&[package, (file, text)]), command);
        }
        assert_eq!(first(&[package]), "npm install --no-audit --no-fund");
    }

    #[test]
    fn the_package_says_which_of_two_lock_files_counts() {
        let locks = [("package-lock.json", ""), ("yarn.lock", ""), ("pnpm-lock.yaml", "")];
        let with = |text| [&locks[..], &[("package.json", text)]].concat();
        assert!(first(&with("{}")).starts_with("npm ci"));
        assert!(first(&with(r#"{"packageManager": "yarn@1.22.22"}"#)).starts_with("yarn install"));
        assert!(first(&with(r#"{"packageManager": "pnpm@9.1.0+sha512.x"}"#)).starts_with("pnpm "));
    }

    #[test]
    fn the_script_build_is_run_where_there_is_one() {
        let with = |text| {
            let files = [("package.json", text), ("yarn.lock", "")];
            recipe(&Contents::of(&files), LockUse::Frozen).commands.len()
        };
        assert_eq!(with("{}"), 1);
        assert_eq!(with(r#"{"scripts": {"build": "tsc"}}"#), 2);
    }

    #[test]
    fn a_lock_that_is_to_be_ignored_is_named() {
        let files = [("package.json", ""), ("yarn.lock", "")];
        let recipe = recipe(&Contents::of(&files), LockUse::Ignore);
        assert_eq!(recipe.with(), "npm from package.json");
        assert!(recipe.notes[0].starts_with("yarn.lock is ignored"), "{:?}", recipe.notes);
    }
}
