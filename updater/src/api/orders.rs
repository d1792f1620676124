//! `PUT /releases/{digest}`, `POST /update`, `POST /rollback`, `POST /confirm/{transaction}`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode};
use protocol::{
    AppName, Code, Digest, Kind, OrderOptions, Problem, RollbackOrder, Status, TransactionId,
    TransactionResult, UpdateOrder, header,
};
use serde::Deserialize;

use crate::api::announced::{Announced, Form, announced_digest, length, presented};
use crate::api::blocking::blocking;
use crate::api::body_deadline::BodyDeadline;
use crate::api::follow::Follow;
use crate::api::parts::{Parts, Sent, label};
use crate::api::upload::Upload;
use crate::api::{ApiError, ApiQuery};
use crate::config::LimitsConfig;
use crate::daemon::Daemon;
use crate::server::Caller;
use crate::transaction::{Admission, App, Declared, Failure, Order, Target};

/// Bytes of a JSON body.
const JSON_BYTES: usize = 64 << 10;

/// Query parameters of an order.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "these are the parameters as they are named")]
pub(super) struct OrderQuery {
    app: Option<AppName>,
    sha: Option<String>,
    force: bool,
    retry_quarantined: bool,
    confirm: bool,
    irreversible: bool,
    watch: Option<protocol::Period>,
    confirm_self: bool,
}

/// An order that has been understood, before it meets its app.
struct Head {
    caller: Caller,
    headers: HeaderMap,
    kind: Kind,
    options: OrderOptions,
}

/// `PUT /releases/{digest}`: puts a release on the disk.
pub(super) async fn stage(
    State(daemon): State<Arc<Daemon>>,
    Path(digest): Path<String>,
    ApiQuery(query): ApiQuery<OrderQuery>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    let app = daemon.app(query.app.as_ref())?;
    check_order(&daemon, request.headers()).await?;
    let digest: Digest =
        digest.parse().map_err(|error| ApiError::bad_request(format!("failed to {error}")))?;
    let looked_at = Arc::clone(&app);
    if let Some(result) = blocking(move || Ok(ready(&looked_at, digest)?)).await? {
        return Ok((StatusCode::OK, axum::Json(result)).into_response());
    }
    let (parts, body) = request.into_parts();
    if announced_digest(&parts.headers)?.is_some_and(|announced| announced != digest) {
        return Err(ApiError::bad_request("the Content-Digest is not the one in the path"));
    }
    let (sha, options) = query.split();
    let head = Head { caller, headers: parts.headers, kind: Kind::Stage, options };
    let declared = Declared { digest: Some(digest), label: sha, ..Declared::default() };
    receive(&daemon, app, head, body, declared).await
}

/// `POST /update`: activates a staged release (JSON), or takes one and activates it.
pub(super) async fn update(
    State(daemon): State<Arc<Daemon>>,
    ApiQuery(query): ApiQuery<OrderQuery>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    let app = daemon.app(query.app.as_ref())?;
    let (parts, body) = request.into_parts();
    let (sha, options) = query.split();
    match Form::of(&parts.headers)? {
        Form::Json => {
            let order: UpdateOrder = json(body, &daemon.config.limits).await?;
            let head =
                Head { caller, headers: parts.headers, kind: Kind::Update, options: order.options };
            activate(&daemon, app, head, Target::Digest(order.digest)).await
        }
        form => {
            let digest = announced_digest(&parts.headers)?;
            if digest.is_none() && form == Form::Archive {
                let detail = "send the archive's digest as Content-Digest: sha-256=:<base64>:";
                return Err(Problem::new(Code::DigestMissing, detail).into());
            }
            let head = Head { caller, headers: parts.headers, kind: Kind::Update, options };
            let declared = Declared { digest, label: sha, ..Declared::default() };
            receive(&daemon, app, head, body, declared).await
        }
    }
}

/// `POST /update-self`: takes a release of the updater itself.
pub(super) async fn update_self(
    State(daemon): State<Arc<Daemon>>,
    ApiQuery(query): ApiQuery<OrderQuery>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let form = Form::of(&parts.headers)?;
    let digest = announced_digest(&parts.headers)?;
    if form == Form::Json || (form == Form::Archive && digest.is_none()) {
        let detail = "send the updater's archive, and its digest as Content-Digest";
        return Err(Problem::new(Code::DigestMissing, detail).into());
    }
    if form == Form::Archive && !query.confirm_self {
        let detail = "say confirm_self=true: this replaces the updater itself";
        return Err(ApiError::bad_request(detail));
    }
    daemon.check_idle()?;
    let (label, confirm_self) = (query.sha.clone(), query.confirm_self);
    let declared = Declared { digest, label, confirm_self };
    let (_, options) = query.split();
    let head = Head { caller, headers: parts.headers, kind: Kind::SelfUpdate, options };
    receive(&daemon, Arc::clone(&daemon.updater_app), head, body, declared).await
}

/// `POST /rollback`: to `prev`, or to a release that is on the disk.
pub(super) async fn rollback(
    State(daemon): State<Arc<Daemon>>,
    ApiQuery(query): ApiQuery<OrderQuery>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    let app = daemon.app(query.app.as_ref())?;
    let (parts, body) = request.into_parts();
    let order: RollbackOrder = json(body, &daemon.config.limits).await?;
    let target = order.digest.map_or(Target::Previous, Target::Digest);
    let (_, asked) = query.split();
    let options = OrderOptions {
        force: order.options.force || asked.force,
        retry_quarantined: order.options.retry_quarantined || asked.retry_quarantined,
        confirm: order.options.confirm || asked.confirm,
        irreversible: order.options.irreversible || asked.irreversible,
        watch: order.options.watch.or(asked.watch),
    };
    let head = Head { caller, headers: parts.headers, kind: Kind::Rollback, options };
    activate(&daemon, app, head, target).await
}

/// `POST /confirm/{transaction}`: the master has come back on a new connection.
pub(super) async fn confirm(
    State(daemon): State<Arc<Daemon>>,
    Path(transaction): Path<String>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    check_order(&daemon, &headers).await?;
    let transaction: TransactionId =
        transaction.parse().map_err(|error| ApiError::bad_request(format!("failed to {error}")))?;
    let after = daemon.events.last();
    for app in daemon.apps.values() {
        match app.confirm(&transaction, caller.connection) {
            Some(true) => {
                let follow = Follow::new(&headers, false, after);
                return Ok(follow.transaction(app, transaction).await);
            }
            Some(false) => {
                let detail = "a confirmation has to come on another connection than its order";
                return Err(ApiError::bad_request(detail));
            }
            None => {}
        }
    }
    let detail = format!("{transaction} does not wait for a confirmation");
    Err(Problem::new(Code::UnknownTransaction, detail).into())
}

/// Query parameters of what is no order.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct AppQuery {
    pub(super) app: Option<AppName>,
}

/// `DELETE /update`: asks what is under way to stop, and answers with how it ended.
pub(super) async fn stop(
    State(daemon): State<Arc<Daemon>>,
    ApiQuery(query): ApiQuery<AppQuery>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let app = daemon.app(query.app.as_ref())?;
    check_order(&daemon, &headers).await?;
    let follow = Follow::new(&headers, false, daemon.events.last());
    let Some(transaction) = app.request_stop(caller.name()) else {
        let detail = format!("nothing is under way for {}", app.settings.name);
        return Err(Problem::new(Code::UnknownTransaction, detail).into());
    };
    Ok(follow.stopped(&app, transaction).await)
}

/// Takes an archive, unless the release is here already.
async fn receive(
    daemon: &Arc<Daemon>,
    app: Arc<App>,
    head: Head,
    body: Body,
    mut declared: Declared,
) -> Result<Response, ApiError> {
    let deadline = BodyDeadline::begin(&app.settings.limits);
    let labelled = declared.label.take().map(label).transpose();
    declared.label = labelled.map_err(|error| ApiError::bad_request(error.to_string()))?;
    let mut announced = Announced { declared, presented: presented(&head.headers)? };
    let sent = match Form::of(&head.headers).unwrap_or(Form::Archive) {
        Form::Multipart => {
            let parts = Parts::open(&head.headers, body, &mut announced, deadline).await?;
            Sent::Form(Box::new(parts))
        }
        Form::Json | Form::Archive => Sent::Alone(body),
    };
    let length = length(&head.headers);
    let (upload, archive) = Upload::new(announced, length, sent.is_alone(), deadline);
    let follow = Follow::new(&head.headers, true, daemon.events.last());
    match begin(daemon, &app, head, Target::Archive(archive)).await? {
        Admission::AlreadyCurrent(result) => Ok(follow.result(&app, *result)),
        Admission::Started { transaction, receives } => {
            if receives {
                upload.send(sent).await;
            }
            Ok(follow.transaction(&app, transaction).await)
        }
    }
}

async fn activate(
    daemon: &Arc<Daemon>,
    app: Arc<App>,
    head: Head,
    target: Target,
) -> Result<Response, ApiError> {
    let follow = Follow::new(&head.headers, true, daemon.events.last());
    match begin(daemon, &app, head, target).await? {
        Admission::AlreadyCurrent(result) => Ok(follow.result(&app, *result)),
        Admission::Started { transaction, .. } => Ok(follow.transaction(&app, transaction).await),
    }
}

async fn begin(
    daemon: &Arc<Daemon>,
    app: &Arc<App>,
    head: Head,
    target: Target,
) -> Result<Admission, ApiError> {
    let longest = daemon.config.limits.longest_watch;
    if let Some(watch) = head.options.watch.filter(|watch| *watch > longest) {
        let detail = format!("a watch of {watch} is longer than limits.longest_watch, {longest}");
        return Err(ApiError::bad_request(detail));
    }
    let epoch = check_order(daemon, &head.headers).await?;
    let key = head.headers.get(header::IDEMPOTENCY_KEY).and_then(|value| value.to_str().ok());
    let order = Order {
        kind: head.kind,
        target,
        options: head.options,
        caller: head.caller.name().to_owned(),
        connection: head.caller.connection,
        epoch,
        order: key.map(|key| key.chars().take(100).collect()),
    };
    let app = Arc::clone(app);
    blocking(move || Ok(app.begin(order)?)).await
}

/// Whether orders are taken, and from this master. The epoch is kept on the disk, so this blocks.
pub(super) async fn check_order(
    daemon: &Arc<Daemon>,
    headers: &HeaderMap,
) -> Result<Option<u64>, ApiError> {
    let epoch = headers.get(header::EPOCH).map(|value| {
        let number = value.to_str().ok().and_then(|value| value.parse().ok());
        number.ok_or_else(|| ApiError::bad_request("Swarm-Epoch is not a number"))
    });
    let epoch = epoch.transpose()?;
    let daemon = Arc::clone(daemon);
    blocking(move || Ok(daemon.check_order(epoch).map(|()| epoch)?)).await
}

/// An empty body is an empty object.
async fn json<T: for<'de> Deserialize<'de>>(
    body: Body,
    limits: &LimitsConfig,
) -> Result<T, ApiError> {
    // There is so little of it that silence is all that can go on for long.
    let read = tokio::time::timeout(limits.body_timeout.0, axum::body::to_bytes(body, JSON_BYTES));
    let Ok(read) = read.await else {
        return Err(ApiError::bad_request("the sender fell silent"));
    };
    let bytes =
        read.map_err(|error| ApiError::bad_request(format!("the body cannot be read: {error}")))?;
    let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
    serde_json::from_slice(text)
        .map_err(|error| ApiError::bad_request(format!("the JSON body: {error}")))
}

/// The answer for a release that is on the disk already.
fn ready(app: &App, digest: Digest) -> Result<Option<TransactionResult>, Problem> {
    if !app.is_ready(&digest).map_err(|error| internal(&error))? {
        return Ok(None);
    }
    Ok(Some(TransactionResult {
        status: Status::Staged,
        code: None,
        transaction: None,
        release: Some(app.settings.slot_release("store", &digest)),
        from: None,
        to: None,
        probe: None,
        duration_ms: 0,
        problem: None,
    }))
}

impl OrderQuery {
    fn split(self) -> (Option<String>, OrderOptions) {
        let options = OrderOptions {
            force: self.force,
            retry_quarantined: self.retry_quarantined,
            confirm: self.confirm,
            irreversible: self.irreversible,
            watch: self.watch,
        };
        (self.sha, options)
    }
}
