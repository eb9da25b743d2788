//! What `--help` shows: the flags that most people need, on one screen. `dunlin help COMMAND` shows
//! all of them, and so do the pages of the manual.

use clap::{Arg, ArgAction, Command};

/// As wide as a page may be on a wide terminal.
const WIDTH_MAX: usize = 100;

/// Flags that `--help` leaves out, by their names in the definitions.
const RARE: &[&str] = &[
    // Of connections.
    "alpn",
    "authentication_method",
    "cert",
    "conn_user_properties",
    "keepalive",
    "key",
    "load_options",
    "maximum_packet_size",
    "maximum_reconnect_times",
    "no_req_problem_info",
    "path",
    "rcv_max",
    "reconnect_period",
    "req_response_info",
    "save_options",
    "session_expiry_interval",
    "topic_alias_maximum",
    "user_properties",
    "ws_headers",
    // Of messages.
    "avsc_path",
    "content_type",
    "correlation_data",
    "dup",
    "message_expiry_interval",
    "payload_format_indicator",
    "protobuf_message_name",
    "protobuf_path",
    "subscription_identifier",
    "topic_alias",
    // Of subscriptions.
    "delimiter",
    "file_save",
    "no_local",
    "retain_as_published",
    "retain_handling",
    // Of bench run.
    "connecting",
    "drain",
    "eager",
    "groups",
    "idle",
    "idle_subscribe",
    "messages",
    "rounds",
    "subscriptions",
    "topic_prefix",
    "until_acknowledged",
    "warmup",
];

/// Makes `--help` of each command fit on a screen.
pub(crate) fn arrange(program: Command) -> Command {
    let name = program.get_name().to_owned();
    let arrange = |command| arranged(command, &name);
    program.max_term_width(WIDTH_MAX).mut_subcommands(arrange)
}

fn arranged(command: Command, above: &str) -> Command {
    let path = format!("{above} {}", command.get_name());
    let is_conn = command.get_name() == "conn";
    let is_rare = |arg: &Arg| {
        let id = arg.get_id().as_str();
        RARE.contains(&id) || id.starts_with("will_") && !is_conn
    };
    let is_short = command.get_arguments().any(is_rare);
    let mut command = command.mut_args(|arg| match arg.get_action() {
        ArgAction::Help => {
            let arg = arg.help_heading(None::<&str>);
            arg.action(ArgAction::HelpShort)
        }
        _ if is_rare(&arg) => arg.hide_short_help(true),
        _ => arg,
    });
    if is_short {
        let words = path.strip_prefix("dunlin ").unwrap_or(&path);
        let all = format!("All flags: dunlin help {words}");
        let (short, long) = (command.get_after_help(), command.get_after_long_help());
        let short = short.map_or_else(|| all.clone(), |text| format!("{text}\n{all}"));
        let long = long.or_else(|| command.get_after_help()).cloned();
        command = command.after_help(short);
        if let Some(long) = long {
            command = command.after_long_help(long);
        }
    }
    command.mut_subcommands(|below| arranged(below, &path))
}

#[cfg(test)]
mod tests;
