//! The query parameters of orders. Each route has those that mean something to it; others are
//! errors, since what a caller asks for is never dropped in silence.

use protocol::{AppName, OrderOptions, Period};
use serde::Deserialize;

use crate::api::ApiError;

/// Of `POST /update` and of `PUT /releases/{digest}`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "these are the parameters as they are named")]
pub(super) struct UpdateQuery {
    pub(super) app: Option<AppName>,
    sha: Option<String>,
    force: bool,
    retry_quarantined: bool,
    confirm: bool,
    irreversible: bool,
    watch: Option<Period>,
}

/// Of `POST /rollback`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "these are the parameters as they are named")]
pub(super) struct RollbackQuery {
    pub(super) app: Option<AppName>,
    force: bool,
    retry_quarantined: bool,
    confirm: bool,
    irreversible: bool,
    watch: Option<Period>,
}

/// Of `POST /update-self`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SelfUpdateQuery {
    pub(super) sha: Option<String>,
    pub(super) force: bool,
    pub(super) retry_quarantined: bool,
    pub(super) confirm_self: bool,
}

/// Of what takes none but its app.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct AppQuery {
    pub(super) app: Option<AppName>,
}

/// Of what takes none.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct NoQuery {}

impl UpdateQuery {
    /// The label, and how the order is to be carried out.
    pub(super) fn split(self) -> (Option<String>, OrderOptions) {
        let options = OrderOptions {
            force: self.force,
            retry_quarantined: self.retry_quarantined,
            confirm: self.confirm,
            irreversible: self.irreversible,
            watch: self.watch,
        };
        (self.sha, options)
    }

    /// Beside a JSON body, which has options of its own.
    pub(super) fn merged(self, body: &OrderOptions) -> Result<OrderOptions, ApiError> {
        let (label, asked) = self.split();
        if label.is_some() {
            let detail = "sha is the label of an archive, and none comes with a JSON body";
            return Err(ApiError::bad_request(detail));
        }
        merge(body, &asked)
    }
}

impl RollbackQuery {
    /// Beside a JSON body, which has options of its own.
    pub(super) fn merged(self, body: &OrderOptions) -> Result<OrderOptions, ApiError> {
        let asked = OrderOptions {
            force: self.force,
            retry_quarantined: self.retry_quarantined,
            confirm: self.confirm,
            irreversible: self.irreversible,
            watch: self.watch,
        };
        merge(body, &asked)
    }
}

/// What the body or the query asks for is asked for.
fn merge(body: &OrderOptions, query: &OrderOptions) -> Result<OrderOptions, ApiError> {
    if let (Some(body), Some(query)) = (body.watch, query.watch)
        && body != query
    {
        let detail = format!("the body asks for a watch of {body}, and the query for {query}");
        return Err(ApiError::bad_request(detail));
    }
    Ok(OrderOptions {
        force: body.force || query.force,
        retry_quarantined: body.retry_quarantined || query.retry_quarantined,
        confirm: body.confirm || query.confirm,
        irreversible: body.irreversible || query.irreversible,
        watch: body.watch.or(query.watch),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(text: &str) -> OrderOptions {
        OrderOptions { watch: Some(text.parse().unwrap()), ..OrderOptions::default() }
    }

    #[test]
    fn the_body_and_the_query_add_up_and_must_not_contradict_each_other() {
        let query = UpdateQuery { confirm: true, ..UpdateQuery::default() };
        let body = OrderOptions { force: true, ..watch("9s") };
        let merged = query.merged(&body).unwrap();
        assert_eq!(merged, OrderOptions { force: true, confirm: true, ..watch("9s") });
        assert!(merge(&watch("9s"), &watch("9s")).is_ok());
        assert!(merge(&watch("9s"), &watch("8s")).is_err());
        let labelled = UpdateQuery { sha: Some("abc".to_owned()), ..UpdateQuery::default() };
        assert!(labelled.merged(&OrderOptions::default()).is_err());
    }
}
