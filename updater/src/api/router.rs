//! Which route is which function, and whom it is for. A route that is not in the table is not there:
//! none can be without an audience.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{MethodRouter, delete, get, post, put};
use http::Method;
use protocol::{Code, Problem};

use crate::api::{
    ApiError, agent, drill, events, head, health, history, logs, metrics, older_form, orders, trust,
};
use crate::daemon::Daemon;
use crate::server::{Audience, Caller};

#[derive(Debug)]
pub struct Route {
    pub method: Method,
    /// Its path; `{…}` stands for any one segment.
    pub path: &'static str,
    /// Whom it is for. Everybody else gets 403, before anything else is looked at.
    pub audience: Audience,
    handler: MethodRouter<Arc<Daemon>>,
}

pub fn routes() -> Vec<Route> {
    use Audience::{Masters, Monitors, Readers};
    let route = |method, path, audience, handler| Route { method, path, audience, handler };
    vec![
        route(Method::GET, "/health", Readers, get(health::health)),
        route(Method::GET, "/metrics", Monitors, get(metrics::metrics)),
        route(Method::GET, "/releases", Masters, get(health::releases)),
        route(Method::GET, "/history", Masters, get(history::history)),
        route(Method::GET, "/logs", Masters, get(logs::logs)),
        route(Method::PUT, "/releases/{digest}", Masters, put(orders::stage)),
        route(Method::POST, "/update", Masters, post(orders::update)),
        route(Method::DELETE, "/update", Masters, delete(orders::stop)),
        route(Method::POST, "/update-self", Masters, post(orders::update_self)),
        route(Method::POST, "/rollback", Masters, post(orders::rollback)),
        route(Method::POST, "/confirm/{transaction}", Masters, post(orders::confirm)),
        route(Method::POST, "/drill", Masters, post(drill::drill)),
        route(Method::GET, "/events", Masters, get(events::events)),
        route(Method::GET, "/evidence/{transaction}", Masters, get(events::evidence)),
    ]
}

/// The whole API. Bodies have bounds of their own, so axum's is off.
pub fn router(daemon: Arc<Daemon>) -> Router {
    let with_route = |router: Router<_>, Route { path, audience, handler, .. }| {
        let guard = from_fn_with_state((Arc::clone(&daemon), audience), admit);
        router.route(path, handler.route_layer(guard))
    };
    routes()
        .into_iter()
        .fold(Router::new(), with_route)
        .fallback(async || ApiError::from(Problem::new(Code::NotFound, "there is no such route")))
        .method_not_allowed_fallback(async || {
            let detail = "this route does not take this method";
            ApiError::from(Problem::new(Code::MethodNotAllowed, detail))
        })
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn(older_form::answer))
        .layer(from_fn(head::check))
        .with_state(daemon)
}

/// What root on the host may do besides: the routes of the local socket.
pub fn local_router(daemon: Arc<Daemon>) -> Router {
    let guard = from_fn_with_state(Arc::clone(&daemon), after_start);
    let own = Router::new()
        .route("/agent/{operation}", post(agent::operate).route_layer(guard))
        .route("/trust/reset-counter", post(trust::reset_counter));
    router(Arc::clone(&daemon)).merge(own.with_state(daemon))
}

async fn admit(
    State((daemon, audience)): State<(Arc<Daemon>, Audience)>,
    caller: Caller,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    caller.require(audience, &daemon.host)?;
    Ok(after_start(State(daemon), request, next).await)
}

/// What changes something waits until the updater has started; what only asks is answered at once.
async fn after_start(State(daemon): State<Arc<Daemon>>, request: Request, next: Next) -> Response {
    if request.method() != Method::GET {
        daemon.started().await;
    }
    next.run(request).await
}
