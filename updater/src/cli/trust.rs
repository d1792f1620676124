//! `updater trust`: what is kept of the signatures of an app's releases.

use http::Method;
use protocol::Highest;

use crate::cli::args::TrustArgs;
use crate::cli::client::ask;
use crate::cli::errors::CliError;
use crate::cli::operator::operator;
use crate::cli::system::{print, small_runtime};
use crate::config::Config;
use crate::environment::Environment;
use crate::transaction::AppFiles;
use crate::trust::read_counter;

pub(super) fn trust(asked: &TrustArgs, environment: &Environment) -> Result<bool, CliError> {
    let config = Config::load(&asked.common.config)?;
    let app = &asked.app;
    let said = if asked.reset_counter {
        let runtime = small_runtime()?;
        let path = format!("/trust/reset-counter?app={app}");
        let (state, by) = (&config.state_dir, operator(environment));
        let reset = ask::<(), Option<Highest>>(state, Method::POST, &path, by.as_ref(), None);
        match runtime.block_on(reset)? {
            None => format!("{app}: no signed release was taken yet; there is nothing to reset\n"),
            Some(Highest { counter, digest }) => format!(
                "{app}: the counter was {counter}, taken with {digest}, and is forgotten.\n\
                 ANY RELEASE THAT A TRUSTED KEY HAS SIGNED IS TAKEN NEXT, AN OLDER ONE TOO.\n\
                 Remove the key that has leaked from trusted_keys, if you have not, and sign a \
                 release with the counter that you want to go on from.\n"
            ),
        }
    } else {
        match read_counter(&AppFiles::new(&config.state_dir, app).counter())? {
            None => format!("{app}: no signed release was taken yet\n"),
            Some(Highest { counter, digest }) => {
                format!("{app}: the highest counter that was taken is {counter}, with {digest}\n")
            }
        }
    };
    print(&said)?;
    Ok(true)
}
