mod http;

pub(crate) use self::http::routes;
