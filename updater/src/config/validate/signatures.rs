//! `trusted_keys`: that what one app asks for is not undone by another, or by the updater itself.

use crate::config::{Config, Finding};

pub(super) fn validate(config: &Config, findings: &mut Vec<Finding>) {
    let asks = config.apps.iter().find(|(_, app)| !app.trusted_keys.is_empty());
    let Some((asking, _)) = asks else { return };
    if config.own.trusted_keys.is_empty() {
        let message = format!("is empty, while app.{asking} takes only signed releases");
        findings.push(
            Finding::error("self.trusted_keys", message)
                .hint("whoever may replace the updater decides what it takes: name keys here too"),
        );
    }
    for (name, _) in config.apps.iter().filter(|(_, app)| app.trusted_keys.is_empty()) {
        let message = format!("is empty, while app.{asking} takes only signed releases");
        findings.push(
            Finding::warning(format!("app.{name}.trusted_keys"), message)
                .hint("whoever is the master can run anything as this app's user"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_said, said};
    use crate::trust::testing::KEY;

    #[test]
    fn an_app_that_asks_for_signatures_is_not_left_a_back_door() {
        let apps = format!(
            "[app.a]\ninstall_dir = '/opt/a'\ntrusted_keys = ['{KEY}']\n\
             [app.b]\ninstall_dir = '/opt/b'\n"
        );
        let found = said(&apps);
        assert_said(&found, "error: self.trusted_keys: is empty, while app.a takes only signed");
        assert_said(&found, "warning: app.b.trusted_keys: ");
        let found = said(&format!("[self]\ntrusted_keys = ['keys/release.pub']\n{apps}"));
        assert!(!found.iter().any(|line| line.starts_with("error")), "{found:#?}");
    }
}
