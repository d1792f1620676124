//! Bodies of orders: `POST /update` and `POST /rollback`.

use serde::{Deserialize, Serialize};

use crate::{Digest, Period};

/// The JSON body of `POST /update`: activates a release that is staged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateOrder {
    /// Which one.
    pub digest: Digest,
    /// How it is to be done. The same keys are query parameters where the body is an archive.
    #[serde(flatten)]
    pub options: OrderOptions,
}

/// How an order is to be carried out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a word of the order")]
pub struct OrderOptions {
    /// Do it again, though this digest runs.
    #[serde(skip_serializing_if = "is_false")]
    pub force: bool,
    /// Take a release that failed here before.
    #[serde(skip_serializing_if = "is_false")]
    pub retry_quarantined: bool,
    /// Ask the master to reach the updater on a new connection before it is done.
    #[serde(skip_serializing_if = "is_false")]
    pub confirm: bool,
    /// Go back even over a migration that cannot be undone.
    #[serde(skip_serializing_if = "is_false")]
    pub irreversible: bool,
    /// A watch longer than the host's own; a shorter one is not taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watch: Option<Period>,
}

/// The JSON body of `POST /rollback`; an empty body means `prev`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RollbackOrder {
    /// Which release; absent for `prev`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// How it is to be done.
    #[serde(flatten)]
    pub options: OrderOptions,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
pub(crate) fn is_false(value: &bool) -> bool {
    !value
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    #[test]
    fn an_order_is_read_with_its_options() {
        let text = format!(r#"{{"digest": "sha256:{HEX}", "force": true, "watch": "2m"}}"#);
        let order: UpdateOrder = serde_json::from_str(&text).unwrap();
        assert!(order.options.force && !order.options.confirm);
        assert_eq!(order.options.watch.unwrap().to_string(), "2m");
        assert_eq!(serde_json::from_str::<RollbackOrder>("{}").unwrap(), RollbackOrder::default());
    }

    #[test]
    fn an_option_that_is_mistyped_is_an_error_and_not_ignored() {
        let text = format!(r#"{{"digest": "sha256:{HEX}", "froce": true}}"#);
        assert!(serde_json::from_str::<UpdateOrder>(&text).is_err());
        let text = format!(r#"{{"digset": "sha256:{HEX}"}}"#);
        assert!(serde_json::from_str::<RollbackOrder>(&text).is_err());
    }
}
