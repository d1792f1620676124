//! What a project's own file says that it is: for a release whose own description does not.

use serde_json::Value;

use crate::one_line::{in_one_line, is_line};

/// The name and the version of a project.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProjectIdentity {
    /// What it is called.
    pub name: Option<String>,
    /// Which version of it.
    pub version: Option<String>,
    /// Why one of its files says nothing: it could not be read as what it should be.
    pub fault: Option<String>,
}

impl ProjectIdentity {
    /// The files that are asked, the first that says something first: as a build looks at them.
    pub const FILES: [&'static str; 3] = ["pyproject.toml", "Cargo.toml", "package.json"];

    /// What one of them says; nothing, where it cannot be read as what it should be, or its text is not one
    /// line of a screen.
    pub fn of(file: &str, text: &str) -> Self {
        let document = match file {
            "package.json" => serde_json::from_str(text)
                .map_err(|error| format!("{file} is no JSON that can be read: {error}")),
            _ => toml::from_str(text).map_err(|error| {
                format!("{file} is no TOML that can be read: {}", in_one_line(&error, text))
            }),
        };
        let (document, fault): (Value, _) = match document {
            Ok(document) => (document, None),
            Err(fault) => (Value::Null, Some(fault)),
        };
        let tables: &[&str] = match file {
            "pyproject.toml" => &["/project", "/tool/poetry"],
            "Cargo.toml" => &["/package", "/workspace/package"],
            _ => &[""],
        };
        let say = |key: &str| {
            let said = tables.iter().find_map(|table| {
                let text = document.pointer(table)?.get(key)?.as_str()?;
                Some(text.trim().to_owned())
            });
            said.filter(|text| is_line(text))
        };
        Self { name: say("name"), version: say("version"), fault }
    }

    /// What is said here, and of what is not, what `other` says.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            name: self.name.or(other.name),
            version: self.version.or(other.version),
            fault: self.fault.or(other.fault),
        }
    }

    /// Whether nothing is left to be asked.
    pub const fn is_whole(&self) -> bool {
        self.name.is_some() && self.version.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(file: &str, text: &str) -> (Option<String>, Option<String>) {
        let ProjectIdentity { name, version, .. } = ProjectIdentity::of(file, text);
        (name, version)
    }

    fn says(name: &str, version: &str) -> (Option<String>, Option<String>) {
        (Some(name.to_owned()), Some(version.to_owned()))
    }

    #[test]
    fn each_kind_of_project_says_its_name_and_version() {
        let npm = r#"{"name": "@shop/web", "version": "1.2.3", "scripts": {}}"#;
        assert_eq!(of("package.json", npm), says("@shop/web", "1.2.3"));
        let project = "[project]\nname = 'shop'\nversion = '2.0'\n";
        assert_eq!(of("pyproject.toml", project), says("shop", "2.0"));
        let poetry = "[tool.poetry]\nname = 'shop'\nversion = '3.0'\n";
        assert_eq!(of("pyproject.toml", poetry), says("shop", "3.0"));
        let cargo = "[package]\nname = 'shop'\nversion.workspace = true\n\
                     [workspace.package]\nversion = '4.0'\n";
        assert_eq!(of("Cargo.toml", cargo), says("shop", "4.0"));
    }

    #[test]
    fn what_does_not_say_it_says_nothing() {
        for (file, text) in [
            ("package.json", "{"),
            ("package.json", "[]"),
            ("package.json", r#"{"name": 3, "version": "a\nb"}"#),
            ("pyproject.toml", "[tool.ruff]\n"),
            ("pyproject.toml", "[project"),
            ("Cargo.toml", "[workspace]\nmembers = []"),
        ] {
            assert_eq!(of(file, text), (None, None), "{file}: {text}");
        }
    }
}
