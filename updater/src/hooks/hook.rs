//! Which hooks there are, and which command is one's.

use protocol::{Command, ReleaseManifest};

use crate::config::AppConfig;

/// A moment at which a release may have something run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum Hook {
    /// Before anything is touched.
    BeforeSwitch,
    /// Before the release's agent is started.
    AfterSwitch,
    /// Before the release is left.
    BeforeRollback,
    /// Before the agent of the other release is started.
    AfterRollback,
    /// In a handover: before the release's agent is to end what it has begun.
    Drain,
    /// In a handover: it is to take work again after all.
    Undrain,
    /// In a handover: the release's agent is ready and is to take over.
    Activate,
}

impl Hook {
    /// The command, if there is one. What the host says wins, also with an empty one.
    pub fn command(self, config: &AppConfig, manifest: &ReleaseManifest) -> Option<Vec<String>> {
        let of = |section: &protocol::HooksSection| -> Option<Command> {
            let command = match self {
                Self::BeforeSwitch => &section.before_switch,
                Self::AfterSwitch => &section.after_switch,
                Self::BeforeRollback => &section.before_rollback,
                Self::AfterRollback => &section.after_rollback,
                Self::Drain => &section.drain,
                Self::Undrain => &section.undrain,
                Self::Activate => &section.activate,
            };
            command.clone()
        };
        let chosen = of(&config.hooks).or_else(|| manifest.hooks.as_ref().and_then(of));
        chosen.map(|command| command.0).filter(|words| !words.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    use super::*;

    #[test]
    fn the_host_wins_and_an_empty_command_is_none() {
        let config = Config::parse(
            "[app.agent]\ninstall_dir = '/x'\n[app.agent.hooks]\nbefore_switch = 'mine'\ndrain = []\n",
        );
        let app = config.unwrap().apps.into_values().next().unwrap();
        let manifest = ReleaseManifest::parse(
            "[hooks]\nbefore_switch = 'its'\nafter_switch = 'its own'\ndrain = 'its'\n",
        )
        .unwrap();
        let command = |hook: Hook| hook.command(&app, &manifest);
        assert_eq!(command(Hook::BeforeSwitch), Some(vec!["mine".to_owned()]));
        assert_eq!(command(Hook::AfterSwitch), Some(vec!["its".to_owned(), "own".to_owned()]));
        assert_eq!(command(Hook::Drain), None);
        assert_eq!(command(Hook::Undrain), None);
    }
}
