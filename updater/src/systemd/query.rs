//! What systemd knows of units, asked once.

use super::interface::UnitProxy;
use super::state::UnitState;
use super::{Systemd, SystemdError};

/// So often is a unit looked at again that changes while it is being looked at.
const LOOKS: u32 = 5;

impl Systemd {
    /// The units whose names are like this one, where `*` stands for anything.
    pub async fn units_like(&self, pattern: &str) -> Result<Vec<String>, SystemdError> {
        let listed = self.answer(self.manager.list_units_by_patterns(&[], &[pattern])).await;
        let listed = listed.map_err(Self::refused("list", pattern))?;
        Ok(listed.into_iter().map(|unit| unit.0).collect())
    }

    /// What systemd knows of a unit; it is loaded if it was not.
    pub async fn state(&self, unit: &str) -> Result<UnitState, SystemdError> {
        self.answer(self.read(unit)).await.map_err(Self::refused("look at", unit))
    }

    /// What systemd knows of several, in their order.
    pub async fn states(
        &self,
        units: Vec<String>,
    ) -> Result<Vec<(String, UnitState)>, SystemdError> {
        let mut states = Vec::new();
        for unit in units {
            let state = self.state(&unit).await?;
            states.push((unit, state));
        }
        Ok(states)
    }

    /// The paths that a service may write to, where it may not write everywhere (systemd.exec(5),
    /// `ProtectSystem=strict`). One that has no unit file may do as it likes.
    pub async fn writable(&self, unit: &str) -> Result<Option<Vec<String>>, SystemdError> {
        let read = async {
            let unit = self.unit(unit).await?;
            let service = self.service(&unit).await?;
            let strict = service.protect_system().await? == "strict";
            Ok(if strict { Some(service.read_write_paths().await?) } else { None })
        };
        self.answer(read).await.map_err(Self::refused("look at", unit))
    }

    /// Keeps systemd from forgetting how a unit ended, as long as this connection lasts or until `forget`. One
    /// that is not loaded has nothing to be kept.
    pub async fn remember(&self, unit: &str) {
        let _ = self.answer(self.manager.ref_unit(unit)).await;
    }

    /// Lets systemd forget a unit when it has ended.
    pub async fn forget(&self, unit: &str) {
        let _ = self.answer(self.manager.unref_unit(unit)).await;
    }

    /// What a service runs, and where: the words of its commands, its root and its working directory.
    pub async fn what_it_runs(&self, unit: &str) -> Result<Vec<String>, SystemdError> {
        let read = async {
            let unit = self.unit(unit).await?;
            let service = self.service(&unit).await?;
            let commands = service.exec_start().await?;
            let mut texts =
                vec![service.root_directory().await?, service.working_directory().await?];
            texts.extend(
                commands
                    .into_iter()
                    .flat_map(|command| std::iter::once(command.0).chain(command.1)),
            );
            Ok(texts)
        };
        self.answer(read).await.map_err(Self::refused("look at", unit))
    }

    /// The capabilities that a service may have, as bits. One that has no unit file may have all of them.
    pub async fn capabilities(&self, unit: &str) -> Result<u64, SystemdError> {
        let read = async {
            let unit = self.unit(unit).await?;
            self.service(&unit).await?.capability_bounding_set().await
        };
        self.answer(read).await.map_err(Self::refused("look at", unit))
    }

    /// Whether a service may make a system call, by its name (systemd.exec(5), `SystemCallFilter=`).
    /// One that has no unit file may make all of them.
    pub async fn permits(&self, unit: &str, call: &str) -> Result<bool, SystemdError> {
        let read = async {
            let unit = self.unit(unit).await?;
            self.service(&unit).await?.system_call_filter().await
        };
        let read = self.answer(read).await;
        let (only_these, calls) = read.map_err(Self::refused("look at", unit))?;
        let unfiltered = calls.is_empty();
        Ok(unfiltered || calls.iter().any(|listed| listed == call) == only_these)
    }

    /// Each property is a question of its own: a unit that changes between two of them is looked at again.
    async fn read(&self, name: &str) -> zbus::Result<UnitState> {
        let unit = self.unit(name).await?;
        let mut state = self.look(&unit, name).await?;
        for _ in 0..LOOKS {
            let (active, sub) = (unit.active_state().await?, unit.sub_state().await?);
            let invocation = hex::encode(unit.invocation_id().await?);
            if active == state.active && sub == state.sub && invocation == state.invocation {
                break;
            }
            state = self.look(&unit, name).await?;
        }
        Ok(state)
    }

    async fn look(&self, unit: &UnitProxy<'_>, name: &str) -> zbus::Result<UnitState> {
        let mut state = UnitState {
            load: unit.load_state().await?.into(),
            load_error: unit.load_error().await?.1,
            active: unit.active_state().await?,
            sub: unit.sub_state().await?,
            invocation: hex::encode(unit.invocation_id().await?),
            ..UnitState::default()
        };
        if name.ends_with(".service") {
            let service = self.service(unit).await?;
            state.result = service.result().await?;
            state.kind = service.kind().await?;
            state.restarts = service.restarts().await?;
            state.main_pid = service.main_pid().await?;
            state.control_group = service.control_group().await?;
            state.exit = (service.exec_main_code().await?, service.exec_main_status().await?);
            let went_down = unit.active_exit_timestamp_monotonic().await?;
            state.was_told_to_end =
                (1..service.exec_main_exit_timestamp_monotonic().await?).contains(&went_down);
        }
        Ok(state)
    }
}
