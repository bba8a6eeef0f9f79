//! The way from nothing to the first result, shown until it has been walked.

use maud::{Markup, Render, html};

use crate::icon::Icon;

/// A numbered list of steps, of which the first one not done is the next.
#[derive(Debug, Clone, Default)]
pub struct Steps {
    steps: Vec<Step>,
}

#[derive(Debug, Clone)]
struct Step {
    title: String,
    detail: Markup,
    done: bool,
}

impl Steps {
    pub fn new() -> Self {
        Steps::default()
    }

    /// `detail` (a sentence, a button, a snippet) is shown while the step is the next one.
    pub fn step(mut self, title: impl Into<String>, done: bool, detail: impl Render) -> Self {
        self.steps.push(Step {
            title: title.into(),
            detail: detail.render(),
            done,
        });
        self
    }

    pub fn all_done(&self) -> bool {
        self.steps.iter().all(|step| step.done)
    }
}

impl Render for Steps {
    fn render(&self) -> Markup {
        let next = self.steps.iter().position(|step| !step.done);
        html! {
            ol.steps {
                @for (index, step) in self.steps.iter().enumerate() {
                    li.step.step-done[step.done].step-next[Some(index) == next]
                        aria-current=[(Some(index) == next).then_some("step")] {
                        span.step-mark aria-hidden="true" {
                            @if step.done { (Icon::Check) } @else { (index + 1) }
                        }
                        div.step-text {
                            p.step-title { (step.title) @if step.done { span.sr-only { " (done)" } } }
                            @if Some(index) == next { div.step-detail { (step.detail) } }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_next_step_is_explained() {
        let steps = Steps::new()
            .step("One", true, "first")
            .step("Two", false, "second")
            .step("Three", false, "third");
        let markup = steps.render().into_string();
        assert!(markup.contains("second") && !markup.contains("first") && !markup.contains("third"));
        assert!(!steps.all_done());
    }
}
