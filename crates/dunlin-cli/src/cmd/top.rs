//! `dunlin top`: what passes, as a tree of topics on the whole screen.

mod model;
mod view;

use std::io::{IsTerminal as _, Write};
use std::time::Duration;

use clap::{ArgAction, Args};
use dunlin_client::codec::{QoS, SubscriptionOptions, TopicFilter};
use dunlin_client::{Client, Event};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{
    self, Event as Input, KeyCode, KeyEvent, KeyEventKind, KeyModifiers,
};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::args::{ConnectArgs, seconds};
use crate::failure::{Failure, failed, usage};
use crate::session::{self, Session, Signals};
use crate::status::{Place, Status};
use model::Model;

/// Events that are taken before the screen is thought of again.
const BATCH: usize = 4096;
/// Between two pictures.
const FRAME: Duration = Duration::from_millis(250);
/// Keys that wait, at most.
const KEYS_MAX: usize = 64;
/// The size of a picture that is printed.
const PRINTED: (u16, u16) = (100, 30);

/// The arguments of `dunlin top`.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
#[command(
    after_help = "Keys: arrows move, open and close; / searches, Esc ends that; s sorts by \
    name, rate or count;\np holds the picture; c counts anew; q or Ctrl-C ends.\n\
    Examples:\n  dunlin top -h localhost\n  dunlin top -t 'sensors/#' --once 5 > picture.txt"
)]
pub(crate) struct TopArgs {
    /// Topic filters; without any, # and $SYS/#
    #[arg(short = 't', long, value_name = "FILTER", num_args = 1.., action = ArgAction::Append)]
    topic: Vec<String>,

    /// Print one picture after this time, and end; no terminal is needed
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    once: Option<Duration>,

    #[command(flatten)]
    connect: ConnectArgs,

    /// Print help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
}

impl TopArgs {
    fn filters(&self) -> Result<Vec<String>, Failure> {
        if self.topic.is_empty() {
            return Ok(vec!["#".to_owned(), "$SYS/#".to_owned()]);
        }
        for filter in &self.topic {
            TopicFilter::parse(filter)
                .map_err(|error| usage(format!("--topic {filter:?}: {error}")))?;
        }
        Ok(self.topic.clone())
    }
}

/// Shows what passes until it is ended.
pub(crate) async fn run(args: &TopArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let filters = args.filters()?;
    if args.once.is_none() && !std::io::stdout().is_terminal() {
        return Err(usage(
            "top needs a terminal; --once SECONDS prints one picture without",
        ));
    }
    let options = args.connect.client_options(&[])?;
    let mut signals = Signals::catch()?;
    let status = Status::new(Place::Nowhere);
    let place = options.endpoint.to_string();
    let mut session = session::connect(&args.connect, options, status, &mut signals).await?;
    subscribe(&session.client, &filters).await?;
    let mut model = Model::new(place);
    let client = session.client.clone();
    let result = match args.once {
        Some(time) => print(&mut session, &filters, &mut model, time, out).await,
        None => watch(&mut session, &filters, &mut model, &mut signals).await,
    };
    session::disconnect(&client).await;
    result
}

async fn subscribe(client: &Client, filters: &[String]) -> Result<(), Failure> {
    // The flags stay as published, so that what is retained is seen to be.
    let options = SubscriptionOptions {
        qos: QoS::AtMostOnce,
        retain_as_published: true,
        ..SubscriptionOptions::default()
    };
    let request = session::subscription(filters, options);
    let subscribed = client.subscribe(request).await?;
    let codes = &subscribed.reason_codes;
    // A broker that hides $SYS is no reason to show nothing.
    if codes.iter().all(|code| code.is_error())
        && let Some(code) = codes.first()
    {
        let reason = session::reason(*code, subscribed.reason_string.as_deref());
        return Err(failed(format!("subscribing refused: {reason}")));
    }
    Ok(())
}

/// Takes what came; gives whether there is more to expect.
async fn take(
    session: &mut Session,
    filters: &[String],
    batch: &mut Vec<Event>,
    model: &mut Model,
) -> Result<(), Failure> {
    if batch.is_empty() {
        return Err(failed("the connection ended"));
    }
    for event in batch.drain(..) {
        match event {
            Event::Message(message) => model.add(&message.publish()),
            Event::Connected(connected) => {
                model.say(None);
                if !connected.connack().session_present {
                    subscribe(&session.client, filters).await?;
                }
            }
            Event::Disconnected(disconnected) => {
                if !disconnected.reconnects {
                    return Err(failed(format!("connection lost: {}", disconnected.cause)));
                }
                model.say(Some(format!("connection lost: {}", disconnected.cause)));
            }
            Event::ReconnectFailed(failure) => {
                if !failure.reconnects {
                    return Err(failed(format!("cannot connect again: {}", failure.error)));
                }
                model.say(Some(format!("cannot connect: {}", failure.error)));
            }
            _ => {}
        }
    }
    Ok(())
}

async fn print(
    session: &mut Session,
    filters: &[String],
    model: &mut Model,
    time: Duration,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let until = Instant::now() + time;
    let mut batch = Vec::with_capacity(BATCH);
    let mut frames = interval(FRAME);
    loop {
        tokio::select! {
            () = tokio::time::sleep_until(until) => break,
            _ = frames.tick() => model.tick(Instant::now()),
            _ = session.events.next_many(&mut batch, BATCH) => {
                take(session, filters, &mut batch, model).await?;
            }
        }
    }
    model.tick(Instant::now());
    model.open_all();
    out.write_all(picture(model, PRINTED)?.as_bytes())?;
    Ok(())
}

/// The screen as text.
fn picture(model: &mut Model, (width, height): (u16, u16)) -> Result<String, Failure> {
    let mut terminal = Terminal::new(TestBackend::new(width, height))?;
    terminal.draw(|frame| view::draw(model, frame))?;
    let buffer = terminal.backend().buffer();
    let mut text = String::new();
    for row in 0..height {
        let line: String = (0..width)
            .filter_map(|column| buffer.cell((column, row)))
            .map(|cell| cell.symbol())
            .collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    Ok(text)
}

async fn watch(
    session: &mut Session,
    filters: &[String],
    model: &mut Model,
    signals: &mut Signals,
) -> Result<(), Failure> {
    let mut terminal = ratatui::try_init()?;
    let mut keys = keys();
    let mut batch = Vec::with_capacity(BATCH);
    let mut frames = interval(FRAME);
    frames.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let result = loop {
        let is_due = tokio::select! {
            biased;
            () = signals.next() => break Ok(()),
            key = keys.recv() => match key {
                Some(Input::Key(key)) if key.kind != KeyEventKind::Release => {
                    if is_end(key, model) {
                        break Ok(());
                    }
                    model.press(key.code);
                    true
                }
                Some(Input::Resize(..)) => true,
                Some(_) => false,
                None => break Ok(()),
            },
            _ = frames.tick() => {
                model.tick(Instant::now());
                true
            }
            _ = session.events.next_many(&mut batch, BATCH) => {
                if let Err(failure) = take(session, filters, &mut batch, model).await {
                    break Err(failure);
                }
                false
            }
        };
        if is_due && let Err(error) = terminal.draw(|frame| view::draw(model, frame)) {
            break Err(error.into());
        }
    };
    ratatui::restore();
    result
}

fn is_end(key: KeyEvent, model: &Model) -> bool {
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('c') => is_control,
        KeyCode::Char('q') => !model.is_searching(),
        _ => false,
    }
}

/// Keys, read by a thread: there is no other way to wait for them.
fn keys() -> mpsc::Receiver<Input> {
    let (sender, receiver) = mpsc::channel(KEYS_MAX);
    std::thread::spawn(move || {
        while let Ok(input) = event::read() {
            if sender.blocking_send(input).is_err() {
                return;
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests;
