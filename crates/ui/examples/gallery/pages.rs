//! The pages of the gallery: a dashboard as it is used, one as it starts, forms, a card, a message.

use maud::{Markup, html};
use types::{FieldError, Mode, Timestamp};
use ui::chart::{AreaChart, BarChart, Series};
use ui::code::{Snippet, copyable, secret_once};
use ui::dialog::Dialog;
use ui::form::{self, Choice};
use ui::pagination::Pagination;
use ui::picker::{Picker, chip};
use ui::progress::Quota;
use ui::steps::Steps;
use ui::tabs::Tabs;
use ui::tile::{Delta, tiles};
use ui::{
    Alert, AppShell, AuthCard, Badge, Button, Card, Cell, Column, Empty, Field, Form, Icon, Kv, Nav, NavItem,
    Page, PageHeader, Row, Table, Tile, Tone, UserMenu, WorkspaceSwitcher, badge, number, table, time,
};

/// 20 November 2026, 12:34:56 UTC.
const NOW: Timestamp = Timestamp::from_secs(1_795_178_096);
const DAY_SECS: i64 = 86_400;
const CSRF: &str = "csrf-token";

/// Each page by the name of its file.
pub fn all() -> Vec<(&'static str, Markup)> {
    vec![
        ("index", overview()),
        ("start", start()),
        ("lists", lists()),
        ("key", key()),
        ("form", form_page()),
        ("sign-in", sign_in()),
        ("not-found", not_found()),
        ("plain", plain()),
    ]
}

fn shell(path: &str) -> AppShell {
    let nav = Nav::at(path)
        .links(vec![
            NavItem::new("Overview", "/index.html", Icon::LayoutDashboard),
            NavItem::new("Get started", "/start.html", Icon::Rocket),
        ])
        .section(
            "Commerce",
            vec![
                NavItem::new("Platforms", "/platforms.html", Icon::Box),
                NavItem::new("Customers", "/lists.html", Icon::Users).count(1_284),
                NavItem::new("API keys", "/key.html", Icon::Key),
                NavItem::new("Plans", "/form.html", Icon::Tag),
            ],
        )
        .section(
            "Workspace",
            vec![
                NavItem::new("Members", "/members.html", Icon::UserPlus),
                NavItem::new("Audit log", "/audit.html", Icon::ClipboardList),
                NavItem::new("Settings", "/settings.html", Icon::Settings),
            ],
        );
    let user = UserMenu::new("Ada Lovelace", "ada@example.org", "/sign-out", CSRF).link(
        Icon::User,
        "Account",
        "/account",
    );
    let workspace = WorkspaceSwitcher::new("Northwind Labs")
        .detail("Pro plan")
        .other("Side project", "/w/side")
        .new_workspace("/workspaces/new");
    AppShell::new(nav, user).workspace(workspace)
}

fn days(count: i64) -> Vec<String> {
    (0..count)
        .map(|day| time::day_text(Timestamp::from_secs(NOW.as_secs() - (count - 1 - day) * DAY_SECS)))
        .collect()
}

/// A course that rises, with weekends.
fn calls(count: u32, from: f64) -> Vec<f64> {
    (0..count)
        .map(|day| {
            let weekend = if day % 7 >= 5 { 0.62 } else { 1.0 };
            let noise = f64::from((day * 7919) % 23) / 23.0;
            ((from + f64::from(day) * 22.0) * weekend * (0.85 + 0.3 * noise)).round()
        })
        .collect()
}

fn overview() -> Markup {
    let chart = AreaChart::new("calls", "Calls a day", days(30))
        .series(Series::new("This period", calls(30, 900.0)))
        .series(Series::new("Period before", calls(30, 640.0)));
    let entries: Vec<(Markup, f64)> = [
        ("Contoso", 12_480.0),
        ("Fabrikam", 9_102.0),
        ("Tailspin Toys", 4_320.0),
        ("Adventure Works", 2_011.0),
        ("Wide World Importers", 640.0),
    ]
    .map(|(name, calls)| (html! { (name) }, calls))
    .to_vec();
    let top = table::ranked("Top customers", "Customer", "Calls", &entries, |calls| {
        number::thousands(calls as i64)
    });
    let refused = BarChart::new("outcomes", "Calls by outcome", days(14))
        .series(Series::new("Granted", calls(14, 300.0)))
        .series(Series::new("Refused", calls(14, 20.0)));
    let content = html! {
        (tiles(&[
            Tile::new("Calls", "38,412").delta(Delta::between(38_412.0, 34_100.0)).hint("vs 30 days before")
                .spark(calls(30, 900.0)),
            Tile::new("Active customers", "1,284").delta(Delta::between(1_284.0, 1_201.0))
                .hint("vs 30 days before").href("/lists.html").spark(calls(30, 300.0)),
            Tile::new("Refused", "212").delta(Delta::between_lower_is_better(212.0, 180.0))
                .hint("of quota or rate").spark(calls(30, 40.0)),
            Tile::new("Revenue", "$4,930").delta(Delta::New).hint("first month").spark(calls(30, 0.0)),
        ]))
        div.toolbar {
            div.actions {
                (Picker::new("Feature", "API calls").item("API calls", "?feature=calls", true).item("Tokens", "?feature=tokens", false))
                (chip("Customer", "Contoso", "/index.html"))
            }
            (period())
        }
        (Card::titled("Calls").description("Granted calls a day, UTC").body(chart))
        div.grid {
            (Card::titled("Top customers").actions(html! { a href="/lists.html" { "All customers" } }).flush(top))
            (Card::titled("Quotas").description("Northwind Labs on the Pro plan").actions(badge::live()).body(html! {
                (Quota::new("Calls this month", 412, Some(500)).note("Resets 1 Dec 2026"))
                (Quota::new("Tokens", 310_000, Some(1_000_000)).held(90_000).note("Starts again 1 Dec 2026"))
                (Quota::new("Projects", 4, Some(10)))
                (Quota::new("API keys", 5, Some(5)).note("Team lifts this to 20"))
                (Quota::new("Sync pushes", 1_930, None))
            }))
        }
        (Card::titled("Outcomes").description("Fourteen days").body(refused))
    };
    let header = PageHeader::new("Overview")
        .description("What your platforms did in the last 30 days.")
        .actions(html! {
            (Button::secondary("Docs").icon(Icon::Book).href("/docs"))
            (Button::primary("New platform").icon(Icon::Plus).href("/platforms/new"))
        });
    Page::new("Overview").app(&shell("/index.html").header(header), content)
}

fn period() -> Markup {
    html! {
        (Tabs::segmented("Period").item("7 days", "?days=7", false).item("30 days", "?days=30", true)
            .item("90 days", "?days=90", false))
    }
}

fn start() -> Markup {
    let curl = "curl http://127.0.0.1:8787/v1/usage/consume \\\n  -H 'Authorization: Bearer sk_test_p1_…' \\\n  -d '{\"customer\": \"cus_…\", \"feature\": \"calls\"}'";
    let steps = Steps::new()
        .step("Create your workspace", true, "")
        .step("Define a platform", true, "")
        .step("Make the first metered call", false, html! {
            p { "Paste this into a terminal. The call is counted, and refused once the plan's 5 are used." }
            (Snippet::new("Shell", curl))
            (Button::primary("Show my keys").href("/key.html"))
        })
        .step("Invite your team", false, "");
    let content = html! {
        (tiles(&[
            Tile::new("Calls", "0").delta(Delta::Same),
            Tile::new("Active customers", "0").delta(Delta::Same),
            Tile::new("Refused", "0").delta(Delta::Same),
            Tile::new("Revenue", "$0").delta(Delta::Same),
        ]))
        (Card::titled("Get started").body(steps))
        (Card::titled("Calls").body(AreaChart::new("none", "Calls a day", days(30))
            .series(Series::new("Calls", vec![0.0; 30])).empty("No calls yet")))
        (Card::new().flush(Table::new("Customers", [Column::text("Name")]).empty(
            Empty::new(Icon::Users, "No customers yet", "A customer is whoever your product's calls are counted for. Your first call can create one.")
                .action(Button::primary("Add customer").icon(Icon::Plus).href("/customers/new")))))
    };
    Page::new("Get started").app(
        &shell("/start.html").header(PageHeader::new("Get started")),
        content,
    )
}

fn lists() -> Markup {
    let ago = |secs: i64| time::ago(Timestamp::from_secs(NOW.as_secs() - secs), NOW);
    let rows = [
        ("Contoso", "contoso-01", "active", "Paid", 12_480, 40),
        ("Fabrikam", "fab-eu-west", "past_due", "Paid", 9_102, 3_700),
        (
            "Tailspin Toys <tags & all>",
            "a-rather-long-external-id-of-a-customer-0001",
            "active",
            "Free",
            4,
            90_000,
        ),
        ("Adventure Works", "aw", "canceled", "Free", 0, 900_000),
    ]
    .map(|(name, id, status, plan, calls, seen)| {
        Row::new([
            Cell::two_lines(name, html! { code { (id) } }),
            Cell::new(Badge::status(status)),
            plan.into(),
            number::thousands(calls).into(),
            Cell::new(ago(seen)),
            Cell::new(
                Button::ghost("Edit")
                    .icon_only(Icon::Pencil)
                    .small()
                    .href("#edit"),
            ),
        ])
        .href("/key.html")
    });
    let columns = [
        Column::text("Customer"),
        Column::text("Status"),
        Column::text("Plan").wide_only(),
        Column::number("Calls"),
        Column::text("Last seen").wide_only(),
        Column::actions("Actions"),
    ];
    let filter = Form::get("/lists.html")
        .inline()
        .part(Field::search("q", "Search").placeholder("Name or external id"))
        .part(Field::select(
            "status",
            "Status",
            [Choice::new("", "Any status"), Choice::new("active", "Active")],
        ))
        .actions(Button::secondary("Filter").icon(Icon::Filter));
    let badges = html! {
        div.actions {
            @for word in ["active", "pending", "revoked", "expired", "past_due", "archived"] { (Badge::status(word)) }
            (Badge::mode(Mode::Live)) (Badge::mode(Mode::Test)) (Badge::new("Beta", Tone::Accent))
        }
    };
    let content = html! {
        (filter)
        (Card::new().flush(Table::new("Customers", columns).rows(rows)))
        (Pagination::new().summary("4 of many, newest first").back("First page", Some("?".into())).next(Some("?cursor=abc".into())))
        (Card::titled("States").body(badges))
        (Card::titled("Icons").body(html! { div.actions { @for icon in Icon::ALL { (*icon) } } }))
    };
    let header = PageHeader::new("Customers")
        .badge(Badge::mode(Mode::Test))
        .actions(Button::primary("Add customer").icon(Icon::Plus).href("#"));
    Page::new("Customers").app(
        &shell("/lists.html").crumb("Widgets API", "#").header(header),
        content,
    )
}

fn key() -> Markup {
    let tabs = Tabs::new("Key")
        .item("Details", "/key.html", true)
        .item("Usage", "#usage", false)
        .item("Audit", "#audit", false);
    let header = PageHeader::new("Production")
        .badge(html! { (Badge::mode(Mode::Live)) (Badge::status("active")) })
        .description("Secret key of Widgets API")
        .actions(html! {
            (Button::secondary("Rotate").icon(Icon::Refresh).post("/keys/1/rotate", CSRF))
            (Button::danger_quiet("Revoke").icon(Icon::Ban).opens("revoke"))
        })
        .below(tabs);
    let details = Kv::new()
        .row("Key id", copyable("key_01hf7yat3nf8mbqg9wzx0t5v2k"))
        .row("Scopes", html! { div.actions { (Badge::new("usage.write", Tone::Neutral)) (Badge::new("customers.read", Tone::Neutral)) } })
        .row("Created", time::instant(NOW))
        .row("Expires", time::date(NOW))
        .row_opt("Last used", None::<&str>);
    let content = html! {
        (secret_once("secret key", "sk_live_p1_3mKx9Qd2Vt7Rb5Ys8Lw1Jn4Hc6Gf0Pz2Xa9Uq3Te7Oi5"))
        (Card::titled("Details").body(details))
        (Card::titled("Use it")
            .body(Snippet::new("TypeScript", "const plinth = new Plinth(process.env.PLINTH_KEY);\nawait plinth.usage.consume({ customer, feature: \"calls\" });")))
        (Dialog::confirm("revoke", "Revoke this key?", "Calls with it are refused within a second. This cannot be taken back.", Button::danger("Revoke key"), "/keys/1/revoke", CSRF))
        (Dialog::new("about", "About keys", "A dialog with nothing to decide."))
    };
    let shell = shell("/key.html")
        .crumb("Widgets API", "#")
        .crumb("API keys", "#")
        .header(header)
        .alert(Alert::good("Key created").body("Copy it now: it is shown once."));
    Page::new("Production").app(&shell, content)
}

fn form_page() -> Markup {
    let errors = [
        FieldError {
            field: "key".into(),
            message: "Key is used by another plan. Choose another.".into(),
        },
        FieldError {
            field: "calls".into(),
            message: "Calls must be zero or more.".into(),
        },
    ];
    let form = Form::post("/plans", CSRF)
        .id("plan")
        .hidden("mode", "test")
        .part(form::error_summary("", &errors))
        .part(Field::text("name", "Name").value("Paid").required())
        .part(
            Field::text("key", "Key")
                .code()
                .value("paid")
                .help("Lower-case letters, digits and dashes. It cannot be changed later.")
                .errors(&errors),
        )
        .part(form::columns(html! {
            (Field::number("calls", "Calls").value("-1").min(0).suffix("a month").errors(&errors))
            (Field::number("price", "Price").value("29").min(0).step("any").suffix("USD"))
        }))
        .part(
            Field::select(
                "group",
                "Group",
                [Choice::new("a", "Main"), Choice::new("b", "Add-ons")],
            )
            .value("b"),
        )
        .part(
            Field::textarea("note", "Note", 3)
                .optional()
                .placeholder("For your team"),
        )
        .part(form::fieldset(
            "When a limit is reached",
            Some("What a customer of this plan gets."),
            html! {
                (Field::radio("over", "Above the limit", [
                    Choice::new("refuse", "Refuse the call").help("Answers 429 with the plan that lifts it."),
                    Choice::new("bill", "Bill the overage").help("Counts on, and puts it on the invoice."),
                ]).value("refuse"))
                (Field::checkbox("mail", "Mail the customer at 80 %", true).help("Once a period."))
            },
        ))
        .part(Field::date("from", "Valid from").value("2026-12-01"))
        .part(Field::text("locked", "Currency").value("USD").disabled(true))
        .actions(html! { (Button::primary("Save plan")) (Button::ghost("Cancel").href("#")) });
    let content = html! {
        (Alert::warn("Stripe is not connected").body("Paid plans work in test mode only.")
            .action(Button::secondary("Connect").small().href("#")))
        (Alert::info("A new version is made when you save").body("Customers stay on theirs until you migrate them."))
        (Card::new().body(form))
    };
    Page::new("Edit plan").app(
        &shell("/form.html")
            .crumb("Plans", "#")
            .header(PageHeader::new("Paid plan")),
        content,
    )
}

fn sign_in() -> Markup {
    let form = Form::post("/sign-in", CSRF)
        .part(Field::email("email", "E-mail").autofocus().required())
        .part(Field::password("password", "Password").required())
        .actions(Button::primary("Sign in").wide());
    let card = AuthCard::new("Sign in", form)
        .sentence("Welcome back.")
        .alert(Alert::bad("E-mail or password is wrong").body("Try again, or reset your password."))
        .below(html! { "No account yet? " a href="#" { "Create one" } });
    Page::new("Sign in").auth(&card)
}

fn not_found() -> Markup {
    let home = Button::primary("Go to the overview").href("/index.html");
    Page::new("Not found").message(
        "There is nothing here",
        "The address is wrong, or what was here is gone.",
        &home,
        Some("req_01hf7yat3n"),
    )
}

fn plain() -> Markup {
    let mails = Table::new("Mails", [Column::text("Subject"), Column::text("To")]).empty(
        Empty::new(
            Icon::Inbox,
            "No mail yet",
            "Mail that Plinth would send is shown here until SMTP is configured.",
        )
        .snippet(Snippet::new(
            "plinth.toml",
            "[smtp]\nurl = \"smtps://user:password@mail.example.org\"",
        )),
    );
    Page::new("Mailbox")
        .description("Development mailbox")
        .plain(html! { h1 { "Mailbox" } (Card::new().flush(mails)) })
}
