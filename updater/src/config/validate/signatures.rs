//! `trusted_keys`: that what one app asks for is not undone by another, or by the updater itself.

use crate::config::{Config, Finding};

pub(super) fn validate(config: &Config, findings: &mut Vec<Finding>) {
    let asks = config.apps.iter().find(|(_, app)| !app.trusted_keys.is_empty());
    let Some((asking, _)) = asks else { return };
    let message = || format!("is empty, while app.{asking} takes only signed releases");
    if config.self_update.trusted_keys.is_empty() {
        findings.push(Finding::error("self.trusted_keys", message()).hint(
            "a master that may replace the updater decides what it takes: name keys here too",
        ));
    }
    let signed = || config.apps.values().filter(|app| !app.trusted_keys.is_empty());
    for (name, app) in config.apps.iter().filter(|(_, app)| app.trusted_keys.is_empty()) {
        let key = format!("app.{name}.trusted_keys");
        let user = app.user.as_deref().filter(|user| *user != "root");
        // What runs as the updater or as the other app can do whatever that one can.
        let apart = user.is_some() && signed().all(|other| other.user.as_deref() != user);
        findings.push(if apart {
            Finding::warning(key, message()).hint("the master can run anything as this app's user")
        } else {
            Finding::error(key, message())
                .hint("name keys here too, or give this app a user of its own")
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_said, said};
    use crate::config::testing::KEY;

    #[test]
    fn an_app_that_asks_for_signatures_is_not_left_a_back_door() {
        let apps = |user: &str| {
            format!(
                "[app.a]\ninstall_dir = '/opt/a'\nuser = 'a'\ntrusted_keys = ['{KEY}']\n\
                 [app.b]\ninstall_dir = '/opt/b'\n{user}"
            )
        };
        let own = "[self]\ntrusted_keys = ['keys/release.pub']\n";
        let found = said(&apps("user = 'b'"));
        assert_said(&found, "error: self.trusted_keys: is empty, while app.a takes only signed");
        for user in ["", "user = 'root'", "user = 'a'"] {
            let found = said(&format!("{own}{}", apps(user)));
            assert_said(&found, "error: app.b.trusted_keys: ");
        }
        let found = said(&format!("{own}{}", apps("user = 'b'")));
        assert_said(&found, "warning: app.b.trusted_keys: ");
        assert!(!found.iter().any(|line| line.starts_with("error")), "{found:#?}");
    }
}
