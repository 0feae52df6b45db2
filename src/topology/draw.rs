//! Drawings of a plan: text for a terminal, Mermaid for a README, DOT for Graphviz, JSON for
//! programs.
//!
//! Every drawing takes any plan, also one that [`Plan::check`] refuses: a drawing shows mistakes.

use std::{collections::HashMap, fmt, str::FromStr};

use super::{
    exchange::Exchange,
    mistake::plain,
    plan::{ComponentKind, DEFAULT_STREAM, InputPlan, Plan},
};

/// A way to draw a plan, named `text`, `mermaid`, `dot` or `json`.
///
/// ```
/// use squall::topology::PlanFormat;
///
/// assert_eq!("mermaid".parse(), Ok(PlanFormat::Mermaid));
/// assert_eq!(PlanFormat::Mermaid.to_string(), "mermaid");
/// assert_eq!(
///     "svg".parse::<PlanFormat>().unwrap_err().to_string(),
///     r#""svg" is not a format of a plan; use text, mermaid, dot or json"#
/// );
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PlanFormat {
    /// For a person at a terminal: [`Plan::to_text`].
    Text,
    /// A flowchart that Markdown viewers draw: [`Plan::to_mermaid`].
    Mermaid,
    /// A graph for Graphviz: [`Plan::to_dot`].
    Dot,
    /// The plan itself for programs: [`Plan::to_json`].
    Json,
}

/// The name of a format that there is not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a format of a plan; use text, mermaid, dot or json")]
pub struct UnknownPlanFormat(
    /// The name that was asked for.
    pub String,
);

impl FromStr for PlanFormat {
    type Err = UnknownPlanFormat;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "text" => Ok(Self::Text),
            "mermaid" => Ok(Self::Mermaid),
            "dot" => Ok(Self::Dot),
            "json" => Ok(Self::Json),
            _ => Err(UnknownPlanFormat(name.to_owned())),
        }
    }
}

impl fmt::Display for PlanFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Text => "text",
            Self::Mermaid => "mermaid",
            Self::Dot => "dot",
            Self::Json => "json",
        })
    }
}

impl Plan {
    /// The plan in that format, ending in a line break.
    #[must_use]
    pub fn draw(&self, format: PlanFormat) -> String {
        match format {
            PlanFormat::Text => self.to_text(),
            PlanFormat::Mermaid => self.to_mermaid(),
            PlanFormat::Dot => self.to_dot(),
            PlanFormat::Json => self.to_json(),
        }
    }

    /// The plan for a person to read: one block for each component, in the order of declaration.
    ///
    /// ```
    /// # use squall::topology::Plan;
    /// # let plan: Plan = serde_json::from_str(r#"{"name": "word-count", "components": [
    /// #   {"id": "words", "kind": "spout", "implementation": "RandomWords", "parallelism": 5,
    /// #    "inputs": [],
    /// #    "outputs": [{"name": "default", "tuple": "Word", "fields": ["word"]}]},
    /// #   {"id": "printed", "kind": "sink", "implementation": "Print", "parallelism": 1,
    /// #    "inputs": [{"component": "words", "stream": "default", "grouping": "global"}],
    /// #    "outputs": []}]}"#).unwrap();
    /// assert_eq!(plan.to_text(), "\
    /// topology word-count, 2 components
    ///
    /// words: spout RandomWords ×5
    ///   emits default: Word(word)
    ///
    /// printed: sink Print ×1
    ///   reads words by global
    /// ");
    /// ```
    #[must_use]
    pub fn to_text(&self) -> String {
        let count = self.components.len();
        let plural = if count == 1 { "" } else { "s" };
        let heading = format!("topology {}, {count} component{plural}", plain(&self.name));
        let mut lines = vec![heading];
        for component in &self.components {
            let id = plain(&component.id);
            let implementation = plain(&component.implementation);
            let (kind, tasks) = (component.kind, component.parallelism);
            lines.push(String::new());
            lines.push(format!("{id}: {kind} {implementation} ×{tasks}"));
            for input in &component.inputs {
                let stream = match input.stream.as_str() {
                    DEFAULT_STREAM => String::new(),
                    name => format!("stream {} of ", plain(name)),
                };
                let (from, grouping) = (plain(&input.component), input.grouping.label(plain));
                let exchange = match input.exchange {
                    Exchange::Sent => "",
                    Exchange::Combined => ", combined by its sender",
                    Exchange::Chained => ", in its task",
                };
                lines.push(format!("  reads {stream}{from} by {grouping}{exchange}"));
            }
            for stream in &component.outputs {
                let fields: Vec<_> = stream.fields.iter().map(|field| plain(field)).collect();
                let (name, tuple) = (plain(&stream.name), plain(&stream.tuple));
                lines.push(format!("  emits {name}: {tuple}({})", fields.join(", ")));
            }
        }
        lines.join("\n") + "\n"
    }

    /// The plan as a Mermaid flowchart, which Markdown viewers draw in a block ` ```mermaid `.
    ///
    /// Spouts are rounded, bolts boxes, sinks cylinders; a component that is read but missing is a
    /// rhombus.
    ///
    /// ```
    /// # use squall::topology::Plan;
    /// # let plan: Plan = serde_json::from_str(r#"{"name": "word-count", "components": [
    /// #   {"id": "words", "kind": "spout", "implementation": "RandomWords", "parallelism": 5,
    /// #    "inputs": [],
    /// #    "outputs": [{"name": "default", "tuple": "Word", "fields": ["word"]}]},
    /// #   {"id": "printed", "kind": "sink", "implementation": "Print", "parallelism": 1,
    /// #    "inputs": [{"component": "words", "stream": "default", "grouping": "global"}],
    /// #    "outputs": []}]}"#).unwrap();
    /// assert_eq!(plan.to_mermaid(), r#"flowchart LR
    ///   c0(["words<br/>RandomWords ×5"])
    ///   c1[("printed<br/>Print ×1")]
    ///   c0 -->|"global"| c1
    /// "#);
    /// ```
    #[must_use]
    pub fn to_mermaid(&self) -> String {
        let mut lines = vec!["flowchart LR".to_owned()];
        let nodes = Nodes::of(self);
        for (at, component) in self.components.iter().enumerate() {
            let id = mermaid(&component.id);
            let (work, tasks) = (mermaid(&component.implementation), component.parallelism);
            let (open, close) = match component.kind {
                ComponentKind::Spout => ("([", "])"),
                ComponentKind::Bolt => ("[", "]"),
                ComponentKind::Sink => ("[(", ")]"),
            };
            lines.push(format!("  c{at}{open}\"{id}<br/>{work} ×{tasks}\"{close}"));
        }
        for (at, id) in nodes.missing() {
            lines.push(format!("  c{at}{{\"{}<br/>missing\"}}", mermaid(id)));
        }
        for (from, to, input) in nodes.edges() {
            let label = edge_label(input, mermaid);
            lines.push(format!("  c{from} -->|\"{label}\"| c{to}"));
        }
        lines.join("\n") + "\n"
    }

    /// The plan as a DOT digraph: `dot -Tsvg` of Graphviz draws it.
    ///
    /// Spouts are ovals, bolts boxes, sinks cylinders; a component that is read but missing is a
    /// diamond.
    ///
    /// ```
    /// # use squall::topology::Plan;
    /// # let plan: Plan = serde_json::from_str(r#"{"name": "word-count", "components": [
    /// #   {"id": "words", "kind": "spout", "implementation": "RandomWords", "parallelism": 5,
    /// #    "inputs": [],
    /// #    "outputs": [{"name": "default", "tuple": "Word", "fields": ["word"]}]},
    /// #   {"id": "printed", "kind": "sink", "implementation": "Print", "parallelism": 1,
    /// #    "inputs": [{"component": "words", "stream": "default", "grouping": "global"}],
    /// #    "outputs": []}]}"#).unwrap();
    /// assert_eq!(plan.to_dot(), r#"digraph "word-count" {
    ///   rankdir=LR;
    ///   c0 [shape=oval, label="words\nRandomWords ×5"];
    ///   c1 [shape=cylinder, label="printed\nPrint ×1"];
    ///   c0 -> c1 [label="global"];
    /// }
    /// "#);
    /// ```
    #[must_use]
    pub fn to_dot(&self) -> String {
        let mut lines = vec![format!("digraph \"{}\" {{", dot(&self.name))];
        lines.push("  rankdir=LR;".to_owned());
        let nodes = Nodes::of(self);
        for (at, component) in self.components.iter().enumerate() {
            let id = dot(&component.id);
            let (work, tasks) = (dot(&component.implementation), component.parallelism);
            let shape = match component.kind {
                ComponentKind::Spout => "oval",
                ComponentKind::Bolt => "box",
                ComponentKind::Sink => "cylinder",
            };
            let label = format!("{id}\\n{work} ×{tasks}");
            lines.push(format!("  c{at} [shape={shape}, label=\"{label}\"];"));
        }
        for (at, id) in nodes.missing() {
            let label = format!("{}\\nmissing", dot(id));
            lines.push(format!("  c{at} [shape=diamond, label=\"{label}\"];"));
        }
        for (from, to, input) in nodes.edges() {
            let label = edge_label(input, dot);
            lines.push(format!("  c{from} -> c{to} [label=\"{label}\"];"));
        }
        lines.push("}\n".to_owned());
        lines.join("\n")
    }

    /// The plan itself as JSON on several lines; [`serde_json::from_str`] gives it back.
    ///
    /// ```
    /// use squall::topology::Plan;
    ///
    /// let plan = Plan { name: "empty".into(), components: vec![] };
    /// let back: Plan = serde_json::from_str(&plan.to_json())?;
    /// assert_eq!(back, plan);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[must_use]
    #[allow(clippy::missing_panics_doc)] // It cannot panic, see below.
    pub fn to_json(&self) -> String {
        // Cannot fail: serde_json refuses only maps whose keys are no strings, of which a plan has
        // none, and failing writers and `Serialize` impls, and here a `String` and derives are.
        let json =
            serde_json::to_string_pretty(self).expect("a plan is strings, numbers and lists");
        json + "\n"
    }
}

/// The numbers by which drawings call the components, since ids can be any text.
struct Nodes<'a> {
    plan: &'a Plan,
    /// The first declared component of each id, and numbers after theirs for ids that are only
    /// read.
    by_id: HashMap<&'a str, usize>,
}

impl<'a> Nodes<'a> {
    fn of(plan: &'a Plan) -> Self {
        let mut by_id = HashMap::new();
        for (at, component) in plan.components.iter().enumerate() {
            by_id.entry(component.id.as_str()).or_insert(at);
        }
        let mut next = plan.components.len();
        for input in plan
            .components
            .iter()
            .flat_map(|component| &component.inputs)
        {
            by_id.entry(input.component.as_str()).or_insert_with(|| {
                next += 1;
                next - 1
            });
        }
        Self { plan, by_id }
    }

    /// The ids that are read but that no component has, with their numbers in order.
    fn missing(&self) -> Vec<(usize, &'a str)> {
        let nodes = self.by_id.iter().map(|(&id, &at)| (at, id));
        let declared = self.plan.components.len();
        let mut missing: Vec<_> = nodes.filter(|&(at, _)| at >= declared).collect();
        missing.sort_unstable();
        missing
    }

    /// Every input with the numbers of its emitter and its reader.
    fn edges(&self) -> impl Iterator<Item = (usize, usize, &'a InputPlan)> {
        let readers = self.plan.components.iter().enumerate();
        readers.flat_map(move |(reader, component)| {
            let inputs = component.inputs.iter();
            inputs.map(move |input| (self.by_id[input.component.as_str()], reader, input))
        })
    }
}

/// The grouping, after the stream unless it is the main one.
fn edge_label(input: &InputPlan, escape: fn(&str) -> String) -> String {
    let grouping = input.grouping.label(escape);
    let grouping = match input.exchange {
        Exchange::Sent => grouping,
        Exchange::Combined => format!("{grouping}, combined"),
        Exchange::Chained => format!("{grouping}, chained"),
    };
    match input.stream.as_str() {
        DEFAULT_STREAM => grouping,
        stream => format!("{}: {grouping}", escape(stream)),
    }
}

/// The text so that a quoted Mermaid label shows it as it is.
///
/// Such a label is Markdown with HTML in it, so every mark that could mean something there becomes
/// an entity, which Mermaid writes `#34;`. A mark between two letters means nothing in Markdown and
/// stays, so that `top-words` can be read in the source too.
fn mermaid(text: &str) -> String {
    let chars: Vec<char> = plain(text).chars().collect();
    let letter = |at: usize| chars.get(at).is_some_and(|c| c.is_alphanumeric());
    let mut label = String::with_capacity(chars.len());
    for (at, &c) in chars.iter().enumerate() {
        let between = at > 0 && letter(at - 1) && letter(at + 1);
        if c.is_alphanumeric() || (between && matches!(c, ' ' | '-' | '_' | '.')) {
            label.push(c);
        } else {
            label += &format!("#{};", u32::from(c));
        }
        // Mermaid looks for `\n`, `fa:fa-icon` and `$$formula$$` after it has decoded the entities,
        // so an invisible word joiner takes these marks apart.
        if matches!(c, '\\' | ':' | '$') {
            label += "#8288;";
        }
    }
    label
}

/// The text so that a quoted DOT label shows it as it is: Graphviz reads backslashes and HTML
/// entities there.
fn dot(text: &str) -> String {
    let text = plain(text).replace('\\', r"\\");
    text.replace('"', r#"\""#).replace('&', "&amp;")
}

#[cfg(test)]
mod tests;
