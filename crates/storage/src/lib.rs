#![doc = include_str!("../README.md")]

pub mod blobs;
pub mod cache;
mod db;
mod scope;
mod tables;

pub use db::{
    Column, Db, DbConfig, Dialect, FromColumn, Index, MIGRATIONS, Migration, Row, Schema, Scoped, Tx,
    Upgrade, Value, open, open_with, overtaken,
};
pub use scope::{Issuer, Person, Reason, Role, Scope, System, Tenant, Visitor};
pub use tables::{Class, Erasure, Retention, Table};
