//! Puts the parts together: from configuration to a router with everything behind it.

use std::path::Path;
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Request};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Router, middleware};
use http::uri::PathAndQuery;
use http::{HeaderMap, Uri, header};
use runtime::config::{Base, BlobStore, CacheUrl, Config, DatabaseUrl};
use runtime::crypto::password::{self, PasswordHasher};
use runtime::crypto::{RootKey, RootKeys};
use runtime::http::{describe, health_routes, idempotency_layer, pipeline_layer};
use runtime::mail::Mailer;
use runtime::{App, Build, Clock, Module, Parts, Task, installation, node};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use storage::blobs::{Blobs, BlobsConfig, S3Config};
use storage::cache::{Cache, CacheConfig};
use storage::{DbConfig, Table, Upgrade};
use tower::Layer;
use tower::util::MapRequestLayer;
use types::{Error, Result};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

/// What this program calls itself.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Memory that the cache of a single node may take.
const MEMORY_CACHE_BYTES: u64 = 64 * 1024 * 1024;

/// The whole product, ready to be served.
pub struct Composed {
    pub app: App,
    pub router: Router,
    pub openapi: OpenApi,
    /// To be started with the server.
    pub tasks: Vec<Task>,
}

/// Every part, lowest first.
pub fn modules() -> Vec<Module> {
    vec![commerce::module(), accounts::module(), dashboard::module()]
}

/// Every table of every part.
pub fn tables() -> Vec<Table> {
    let mut tables = runtime::TABLES.to_vec();
    tables.extend(modules().iter().flat_map(|module| module.tables));
    tables
}

/// Opens what the configuration names, and puts the parts together on it.
pub async fn open(config: Config, upgrade: Upgrade) -> Result<Composed> {
    let composed = assemble(open_parts(config, upgrade).await?, modules());
    prepare(&composed.app).await?;
    Ok(composed)
}

/// Opens database, blobs, cache and keys.
pub async fn open_parts(config: Config, upgrade: Upgrade) -> Result<Parts> {
    make_private_folder(&config.server.data_dir)?;
    let database = match &config.database.url {
        DatabaseUrl::Sqlite(path) => DbConfig::Sqlite { path: path.clone() },
        DatabaseUrl::Postgres(url) => DbConfig::Postgres {
            url: url.clone(),
            max_connections: config.database.max_connections,
        },
    };
    let (db, issuer) = storage::open_with(&database, &tables(), upgrade).await?;
    let clock = Clock::System;
    let known = installation::root_keys(&db, &issuer).await?;
    let root_keys = RootKeys::new(root_key(&config, known.is_empty())?, retired_root_keys(&config)?);
    installation::claim(&db, &issuer, &root_keys, clock.now()).await?;
    let node = node::register(&db, &issuer, clock.now()).await?;
    Ok(Parts {
        build: Build {
            version: VERSION,
            sha: config.server.sha.clone(),
            env: config.server.environment,
        },
        blobs: Blobs::open(blobs(&config, &root_keys))?,
        cache: Cache::open(cache(&config)).await?,
        passwords: PasswordHasher::with_workers(password::RECOMMENDED, config.passwords.concurrency),
        mailer: Mailer::new(&config.smtp)?,
        config,
        db,
        issuer,
        clock,
        root_keys,
        node,
    })
}

/// What must be in the database before anything is served: platform zero, its realm, the operator's workspace.
pub async fn prepare(app: &App) -> Result<()> {
    accounts::prepare(app).await?;
    commerce::catalogue::seed(app).await
}

/// Puts the parts together on what was opened.
pub fn assemble(parts: Parts, mut modules: Vec<Module>) -> Composed {
    let app = App::new(parts, &mut modules);
    let mut api = OpenApiRouter::new();
    let mut self_idempotent = OpenApiRouter::new();
    let mut pages = Router::new();
    let mut tasks = Vec::new();
    for module in modules {
        api = api.merge(module.routes);
        self_idempotent = self_idempotent.merge(module.self_idempotent_routes);
        pages = pages.merge(module.pages);
        tasks.extend(module.tasks);
    }
    let (api, mut document) = api.split_for_parts();
    let (self_idempotent, further) = self_idempotent.split_for_parts();
    document.merge(further);
    let openapi = describe(document, VERSION);

    let api = api.layer(middleware::from_fn_with_state(app.clone(), idempotency_layer));
    let mut router = Router::new()
        .merge(api)
        .merge(self_idempotent)
        .merge(pages)
        .merge(health_routes());
    for base in Base::ALL {
        router = router.nest(base.path(), health_routes());
    }
    let router = router
        .route("/openapi.json", get(document_answer(&openapi)))
        .layer(DefaultBodyLimit::max(app.limits().body_bytes))
        .layer(middleware::from_fn_with_state(app.clone(), pipeline_layer))
        .with_state(app.clone());
    Composed {
        router: by_host(router, &app),
        app,
        openapi,
        tasks,
    }
}

fn document_answer(
    openapi: &OpenApi,
) -> impl Fn() -> std::future::Ready<axum::response::Response> + Clone + use<> {
    let text: Arc<str> = openapi.to_json().unwrap_or_default().into();
    move || {
        let answer = ([(header::CONTENT_TYPE, "application/json")], text.to_string()).into_response();
        std::future::ready(answer)
    }
}

/// A host name that is bound to a base answers that base's paths without their prefix. Such names come from the
/// configuration; an unknown `Host` changes nothing.
fn by_host(router: Router, app: &App) -> Router {
    let config = app.config().clone();
    let bound = move |mut request: Request| {
        if let Some(base) = base_of_host(&config, request.headers())
            && let Some(uri) = under(base, request.uri())
        {
            *request.uri_mut() = uri;
        }
        request
    };
    Router::new().fallback_service(MapRequestLayer::new(bound).layer(router))
}

fn base_of_host(config: &Config, headers: &HeaderMap) -> Option<Base> {
    let host = headers.get(header::HOST)?.to_str().ok()?;
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    // The API's names answer everything, pages included: they need no prefix.
    Base::ALL
        .into_iter()
        .filter(|base| *base != Base::Api)
        .find(|base| {
            config
                .hosts
                .of(*base)
                .iter()
                .any(|known| known.as_str().eq_ignore_ascii_case(name))
        })
}

fn under(base: Base, uri: &Uri) -> Option<Uri> {
    let rest = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let path: PathAndQuery = format!("{}{rest}", base.path()).parse().ok()?;
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path);
    Uri::from_parts(parts).ok()
}

/// Creates the data directory for its owner alone.
pub(crate) fn make_private_folder(path: &Path) -> Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|error| {
        Error::unavailable(format!(
            "Cannot create the data directory {}: {error}",
            path.display()
        ))
        .with_source(error)
    })
}

/// The root key: as it is said, from its file, or, for a database that has never had one, a new one in that file.
fn root_key(config: &Config, may_create: bool) -> Result<RootKey> {
    let path = &config.root_key.path;
    match &config.root_key.value {
        Some(text) => RootKey::from_text(text.expose_secret())
            .map_err(|error| Error::invalid("root_key.value", error.to_string())),
        None if may_create => {
            RootKey::load_or_create(path).map_err(|error| Error::invalid("root_key.path", error.to_string()))
        }
        None => RootKey::load(path).map_err(|error| Error::invalid("root_key.path", error.to_string())),
    }
}

fn retired_root_keys(config: &Config) -> Result<Vec<RootKey>> {
    let keys = config.root_key.retired.iter();
    keys.map(|text| RootKey::from_text(text.expose_secret()))
        .collect::<Result<_, _>>()
        .map_err(|error| Error::invalid("retired_root_keys", error.to_string()))
}

fn blobs(config: &Config, root_keys: &RootKeys) -> BlobsConfig {
    match &config.blobs.store {
        BlobStore::Directory(path) => BlobsConfig::Directory {
            path: path.clone(),
            signing_secret: SecretSlice::from(root_keys.current().derive("blob-links").expose().to_vec()),
            base_url: config.server.public_url.clone(),
        },
        BlobStore::S3 { bucket } => BlobsConfig::S3(S3Config {
            endpoint: config.blobs.endpoint.clone(),
            region: config.blobs.region.clone(),
            bucket: bucket.clone(),
            access_key: secret(&config.blobs.access_key_id),
            secret_key: SecretString::from(secret(&config.blobs.secret_access_key)),
            path_style: config.blobs.path_style,
        }),
    }
}

fn secret(value: &Option<SecretString>) -> String {
    value
        .as_ref()
        .map_or_else(String::new, |value| value.expose_secret().to_owned())
}

fn cache(config: &Config) -> CacheConfig {
    match &config.cache.url {
        CacheUrl::Memory => CacheConfig::Memory {
            max_bytes: MEMORY_CACHE_BYTES,
        },
        CacheUrl::Redis(url) => CacheConfig::Redis {
            url: url.clone(),
            prefix: "plinth:".to_owned(),
        },
    }
}
