//! A browser of sorts: it keeps cookies, follows redirects, and sends the forms of the page it is on.

use std::cell::RefCell;
use std::collections::BTreeMap;

use http::header;
use types::Role;

use crate::harness::{Answer, Member, PASSWORD, TestApp, TestShop};

pub struct Browser<'a> {
    app: &'a TestApp,
    cookies: RefCell<BTreeMap<String, String>>,
}

/// A page, as it was found in the end.
pub struct Page {
    pub status: u16,
    pub path: String,
    pub html: String,
    pub policy: String,
}

impl<'a> Browser<'a> {
    pub fn new(app: &'a TestApp) -> Self {
        Browser {
            app,
            cookies: RefCell::default(),
        }
    }

    /// The browser of somebody who has signed in.
    pub fn of(app: &'a TestApp, member: &Member) -> Self {
        let browser = Browser::new(app);
        browser.keep("__Host-session", &member.session);
        browser
    }

    /// The browser of somebody who may look at the shop, and change nothing.
    pub async fn of_viewer(app: &'a TestApp, shop: &TestShop) -> Self {
        let viewer = app.sign_up().await;
        let caller = app.app.operator(app.issuer().tenant(shop.owner.workspace));
        accounts::memberships::add(&app.app, &caller, viewer.user, Role::Viewer)
            .await
            .unwrap();
        Browser::of(app, &viewer)
    }

    pub fn keep(&self, name: &str, value: &str) {
        self.cookies
            .borrow_mut()
            .insert(name.to_owned(), value.to_owned());
    }

    pub fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.borrow().get(name).cloned()
    }

    /// One request, with the cookies there are; those that are set are kept.
    pub async fn ask(&self, method: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        let cookies: Vec<String> = {
            let cookies = self.cookies.borrow();
            cookies
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect()
        };
        let call = self
            .app
            .call(method, path)
            .header("accept", "text/html")
            .header("cookie", cookies.join("; "));
        let call = match method {
            "POST" => {
                let body = form_urlencoded::Serializer::new(String::new())
                    .extend_pairs(fields)
                    .finish();
                call.raw("application/x-www-form-urlencoded", body)
            }
            _ => call,
        };
        let answer = call.send().await;
        for line in answer.headers.get_all(header::SET_COOKIE) {
            let line = line.to_str().unwrap();
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            if line.contains("Max-Age=0") {
                self.cookies.borrow_mut().remove(name);
            } else {
                self.keep(name, value);
            }
        }
        answer
    }

    /// Opens a page, and goes where it leads.
    pub async fn open(&self, path: &str) -> Page {
        let answer = self.ask("GET", path, &[]).await;
        self.follow(path, answer).await
    }

    /// Fills in the form of a page that goes to `action`, and goes where that leads.
    pub async fn send(&self, page: &Page, action: &str, fields: &[(&str, &str)]) -> Page {
        let token = page.form_token(action);
        let mut fields = fields.to_vec();
        fields.push(("csrf_token", &token));
        let answer = self.ask("POST", action, &fields).await;
        self.follow(action, answer).await
    }

    /// What a form is answered that no page offers them.
    pub async fn force(&self, action: &str, fields: &[(&str, &str)]) -> u16 {
        let token = self.open("/account").await.hidden("csrf_token");
        let token = token.expect("the form to sign out");
        let fields = [fields, &[("csrf_token", token.as_str())]].concat();
        self.ask("POST", action, &fields).await.status.as_u16()
    }

    async fn follow(&self, path: &str, mut answer: Answer) -> Page {
        let mut path = path.to_owned();
        while answer.status.is_redirection() {
            path = answer.header("location").unwrap().to_owned();
            answer = self.ask("GET", &path, &[]).await;
        }
        Page {
            status: answer.status.as_u16(),
            policy: answer
                .header("content-security-policy")
                .unwrap_or_default()
                .to_owned(),
            html: answer.text(),
            path,
        }
    }

    /// Signs in with the password that every member of the tests has.
    pub async fn sign_in(&self, page: &Page, email: &str) -> Page {
        let next = page.hidden("next").unwrap_or_default();
        let fields = [("email", email), ("password", PASSWORD), ("next", next.as_str())];
        self.send(page, "/sign-in", &fields).await
    }
}

impl Page {
    /// The token of the form that goes to `action`. A link in a page is escaped as HTML is.
    #[track_caller]
    fn form_token(&self, action: &str) -> String {
        let opening = format!("action=\"{}\"", action.replace('&', "&amp;"));
        let form = self.html.split(&opening).nth(1);
        let form =
            form.unwrap_or_else(|| panic!("no form goes to {action} on {}:\n{}", self.path, self.html));
        value_after(form, "name=\"csrf_token\" value=\"").expect("a form carries its token")
    }

    /// The value of a hidden field.
    pub fn hidden(&self, name: &str) -> Option<String> {
        value_after(&self.html, &format!("type=\"hidden\" name=\"{name}\" value=\""))
    }

    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}: {}", self.path, self.html);
        self
    }

    #[track_caller]
    pub fn shows(&self, text: &str) {
        assert!(
            self.html.contains(text),
            "{text:?} is not on {}:\n{}",
            self.path,
            self.html
        );
    }

    #[track_caller]
    pub fn hides(&self, text: &str) {
        assert!(!self.html.contains(text), "{text:?} is on {}", self.path);
    }
}

fn value_after(text: &str, opening: &str) -> Option<String> {
    let value = text.split(opening).nth(1)?.split('"').next()?;
    Some(value.replace("&amp;", "&"))
}
