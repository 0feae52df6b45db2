//! What is measured, and how.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// How long something took, and how often it was done in that time.
pub type Took = (Duration, usize);

/// One line of the table.
pub struct Case {
    name: String,
    run: Box<dyn FnMut() -> Took>,
}

impl Case {
    /// A case that times itself.
    pub fn timed(name: impl Into<String>, run: impl FnMut() -> Took + 'static) -> Self {
        Self {
            name: name.into(),
            run: Box::new(run),
        }
    }

    /// A case that does something so often.
    pub fn of<T>(
        name: impl Into<String>,
        times: usize,
        mut run: impl FnMut() -> T + 'static,
    ) -> Self {
        Self::timed(name, move || {
            let began = Instant::now();
            black_box(run());
            (began.elapsed(), times)
        })
    }
}

/// Runs the cases in turn, and prints what each took.
pub fn measure(group: &str, mut cases: Vec<Case>, rounds: usize) {
    let mut nanos = vec![Vec::new(); cases.len()];
    // The first round, which fills the caches, does not count.
    for round in 0..=rounds.max(1) {
        for (case, nanos) in cases.iter_mut().zip(&mut nanos) {
            let (took, times) = (case.run)();
            if round > 0 {
                nanos.push(took.as_secs_f64() * 1e9 / times.max(1) as f64);
            }
        }
    }
    for (case, mut nanos) in cases.iter().zip(nanos) {
        nanos.sort_by(f64::total_cmp);
        let (least, most) = (nanos[0], nanos[nanos.len() - 1]);
        println!(
            "| {group} | {} | {:.2} | {least:.2} | {most:.2} |",
            case.name,
            nanos[nanos.len() / 2],
        );
    }
}
