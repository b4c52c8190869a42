//! Short JSON numbers, fast: vectors are most of what a synthesized trace weighs.

/// Components are written in steps of 10⁻⁶.
const STEPS_PER_UNIT: f64 = 1e6;

/// The value on the grid that is written, so that what is sent and what a target was filled with are the same numbers.
pub(super) fn on_grid(value: f64) -> f32 {
    ((value * STEPS_PER_UNIT).round() / STEPS_PER_UNIT) as f32
}

/// Appends `[v₁,v₂,…]`, each with at most six decimals and no trailing zeros.
pub(super) fn push_vector(out: &mut Vec<u8>, vector: &[f32]) {
    out.push(b'[');
    for (i, value) in vector.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        push_component(out, *value);
    }
    out.push(b']');
}

fn push_component(out: &mut Vec<u8>, value: f32) {
    let steps = (f64::from(value) * STEPS_PER_UNIT).round() as i64;
    if steps < 0 {
        out.push(b'-');
    }
    let (whole, mut rest) = (steps.unsigned_abs() / 1_000_000, steps.unsigned_abs() % 1_000_000);
    push_integer(out, whole);
    if rest == 0 {
        return;
    }
    let mut digits = [b'.', 0, 0, 0, 0, 0, 0];
    for digit in digits[1..].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    let kept = digits.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1);
    out.extend_from_slice(&digits[..kept]);
}

/// Appends a whole number.
pub(super) fn push_integer(out: &mut Vec<u8>, value: u64) {
    let (mut digits, mut at, mut rest) = ([0; 20], 20, value);
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            return out.extend_from_slice(&digits[at..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(vector: &[f32]) -> String {
        let mut out = Vec::new();
        push_vector(&mut out, vector);
        String::from_utf8(out).expect("digits")
    }

    #[test]
    fn components_are_short() {
        assert_eq!(text(&[]), "[]");
        assert_eq!(
            text(&[0.5, -0.25, 0.0, 1.0, -1.0, 0.000_001, 12.300_45, -0.000_000_1]),
            "[0.5,-0.25,0,1,-1,0.000001,12.30045,0]"
        );
    }

    #[test]
    fn integers_are_whole() {
        for value in [0, 7, 10, 1_234_567, u64::MAX] {
            let mut out = Vec::new();
            push_integer(&mut out, value);
            assert_eq!(String::from_utf8(out).expect("digits"), value.to_string());
        }
    }

    /// What is written reads back as the very value that `on_grid` gives.
    #[test]
    fn a_value_on_the_grid_survives_its_text() {
        let mut rng = stats::Rng::stream(1, "grid");
        let vector: Vec<f32> = (0..2000).map(|_| on_grid(2.0 * rng.uniform() - 1.0)).collect();
        let back: Vec<f32> = serde_json::from_str(&text(&vector)).expect("JSON");
        assert_eq!(back, vector);
    }
}
