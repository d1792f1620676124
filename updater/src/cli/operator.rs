//! Who has typed this command.

use protocol::OperatorName;

use crate::environment::Environment;
use crate::sys::user::User;

/// The user, or behind sudo(8) the one who called it, by whose word no more can be done than without it;
/// nothing where there is no name that can be told.
pub(super) fn operator(environment: &Environment) -> Option<OperatorName> {
    let name = match environment.sudo_name() {
        Some(name) => name.to_owned(),
        None => User::current().ok()?.name,
    };
    name.parse().ok()
}
