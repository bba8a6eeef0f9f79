#![doc = include_str!("../README.md")]

pub mod alert;
pub mod assets;
pub mod badge;
pub mod button;
pub mod card;
pub mod chart;
pub mod code;
pub mod dialog;
pub mod empty;
pub mod form;
pub mod icon;
pub mod kv;
pub mod layout;
pub mod nav;
pub mod number;
pub mod pagination;
pub mod picker;
pub mod progress;
pub mod steps;
pub mod table;
pub mod tabs;
pub mod tile;
pub mod time;

pub use alert::Alert;
pub use badge::{Badge, Tone};
pub use button::Button;
pub use card::Card;
pub use empty::Empty;
pub use form::{Field, Form};
pub use icon::Icon;
pub use kv::Kv;
pub use layout::{AppShell, AuthCard, Page, PageHeader, Theme, UserMenu, WorkspaceSwitcher};
pub use nav::{Nav, NavItem};
pub use table::{Cell, Column, Row, Table};
pub use tile::Tile;
