//! Whole numbers. A sum that is too large wraps around, as Go's does.

use gotmpl::Value;

use super::{
    ANY, Answer, Function, MAX_ITEMS,
    arguments::{Arguments, fraction, number, shown},
    function, list, text,
};

pub(super) const ALL: &[Function] = &[
    function("add", 0, ANY, |a| int(fold(a.from(0), 0, i64::wrapping_add))),
    function("add1", 1, 1, |a| int(number(a.any(0)).wrapping_add(1))),
    function("sub", 2, 2, |a| int(number(a.any(0)).wrapping_sub(number(a.any(1))))),
    function("mul", 1, ANY, |a| int(fold(a.from(0), 1, i64::wrapping_mul))),
    function("div", 2, 2, |a| divided(a, i64::wrapping_div)),
    function("mod", 2, 2, |a| divided(a, i64::wrapping_rem)),
    function("max", 1, ANY, |a| int(fold(a.from(1), number(a.any(0)), i64::max))),
    function("biggest", 1, ANY, |a| int(fold(a.from(1), number(a.any(0)), i64::max))),
    function("min", 1, ANY, |a| int(fold(a.from(1), number(a.any(0)), i64::min))),
    function("int", 1, 1, |a| int(number(a.any(0)))),
    function("int64", 1, 1, |a| int(number(a.any(0)))),
    function("atoi", 1, 1, |a| int(a.text(0)?.parse().unwrap_or(0))),
    function("toDecimal", 1, 1, |a| int(i64::from_str_radix(&shown(a.any(0)), 8).unwrap_or(0))),
    function("float64", 1, 1, |a| Ok(Value::Float(fraction(a.any(0))))),
    function("floor", 1, 1, |a| Ok(Value::Float(fraction(a.any(0)).floor()))),
    function("ceil", 1, 1, |a| Ok(Value::Float(fraction(a.any(0)).ceil()))),
    function("round", 2, 3, round),
    function("until", 1, 1, |a| {
        let count = a.int(0)?;
        Ok(list(steps(0, count, if count < 0 { -1 } else { 1 })?.into_iter().map(Value::Int)))
    }),
    function("untilStep", 3, 3, |a| {
        Ok(list(steps(a.int(0)?, a.int(1)?, a.int(2)?)?.into_iter().map(Value::Int)))
    }),
    function("seq", 0, 3, seq),
];

fn int(number: i64) -> Answer {
    Ok(Value::Int(number))
}

/// Up from the half on, or from what is given.
fn round(a: &Arguments) -> Answer {
    let up_from = if a.0.len() > 2 { fraction(a.any(2)) } else { 0.5 };
    let places = i32::try_from(a.int(1)?).map_err(|_| "so many digits no number has".to_owned())?;
    let power = 10_f64.powi(places);
    let digit = power * fraction(a.any(0));
    let rounded = if digit.fract() >= up_from { digit.ceil() } else { digit.floor() };
    Ok(Value::Float(rounded / power))
}

fn fold(values: &[Value], start: i64, combine: impl Fn(i64, i64) -> i64) -> i64 {
    values.iter().map(number).fold(start, combine)
}

fn divided(a: &Arguments, divide: impl Fn(i64, i64) -> i64) -> Answer {
    match number(a.any(1)) {
        0 => Err("division by zero".to_owned()),
        divisor => int(divide(number(a.any(0)), divisor)),
    }
}

/// From `start` to before `stop`.
fn steps(start: i64, stop: i64, step: i64) -> Result<Vec<i64>, String> {
    let mut numbers = Vec::new();
    let mut next = start;
    while if stop < start { step < 0 && next > stop } else { step > 0 && next < stop } {
        if numbers.len() == MAX_ITEMS {
            return Err(format!("more than {MAX_ITEMS} numbers come out"));
        }
        numbers.push(next);
        next = next.saturating_add(step);
    }
    Ok(numbers)
}

/// As the program `seq`: both ends are in it.
fn seq(a: &Arguments) -> Answer {
    let (start, step, end) = match a.0.len() {
        0 => return text(""),
        1 => (1, None, a.int(0)?),
        2 => (a.int(0)?, None, a.int(1)?),
        _ => (a.int(0)?, Some(a.int(1)?), a.int(2)?),
    };
    let direction = if end < start { -1 } else { 1 };
    if direction < 0 && step.is_some_and(|step| step > 0) {
        return text("");
    }
    let numbers = steps(start, end.saturating_add(direction), step.unwrap_or(direction))?;
    text(numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
}
