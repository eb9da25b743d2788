//! Unix sockets, which are files.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use socket2::{Domain, SockAddr, Socket as RawSocket, Type};
use tracing::warn;

use super::state::ListenerState;
use super::tcp::{BACKLOG, PAUSE, Turns, is_of_connection};
use super::{Accepted, Next, Stream};
use crate::connection::Transport;
use crate::peer::Peer;
use crate::shared::Command;
use crate::worker::Worker;

/// A socket that is bound, and its file, which goes with it.
pub(super) struct Socket {
    listener: std::os::unix::net::UnixListener,
    file: SocketFile,
}

/// The file of a socket. Dropping it removes the file, if it is still the one that was made.
struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Ok(about) = fs::symlink_metadata(&self.path)
            && (about.dev(), about.ino()) == (self.device, self.inode)
            && let Err(error) = fs::remove_file(&self.path)
        {
            warn!("{} cannot be removed: {error}", self.path.display());
        }
    }
}

/// Binds the socket. A file that another broker left behind is replaced; one on which somebody listens,
/// and one that is no socket, are not.
pub(super) fn bind(path: &Path, mode: u32) -> io::Result<Socket> {
    match fs::symlink_metadata(path) {
        Ok(about) if !about.file_type().is_socket() => {
            let what = "a file that is no socket has this path";
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, what));
        }
        Ok(_) if UnixStream::connect(path).is_ok() => {
            let what = "another program listens on this socket";
            return Err(io::Error::other(what));
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    // Under another name until its permissions are right: nobody else may connect before.
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    match fs::remove_file(&part) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let socket = RawSocket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(&part)?)?;
    fs::set_permissions(&part, fs::Permissions::from_mode(mode))?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    let about = fs::symlink_metadata(&part)?;
    fs::rename(&part, path)?;
    Ok(Socket {
        listener: socket.into(),
        file: SocketFile {
            path: path.to_owned(),
            device: about.dev(),
            inode: about.ino(),
        },
    })
}

/// Accepts connections, and spreads them over the workers.
pub(super) async fn run(socket: Socket, state: Arc<ListenerState>, worker: Rc<Worker>) {
    let Socket { listener, file } = socket;
    let _removed_at_the_end = file;
    let listener = match tokio::net::UnixListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return warn!(%error, "cannot accept connections"),
    };
    let mut turns = Turns::default();
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) if is_of_connection(&error) => continue,
            Err(error) => {
                state.tell_trouble(&error);
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let Some(what_next) = Next::of(&state).await else {
            state.tell_full();
            continue;
        };
        let Some(mailbox) = turns.next(&worker) else {
            what_next.go_on_opened(&worker, Transport::Unix(stream), Peer::default());
            continue;
        };
        if let Ok(stream) = stream.into_std() {
            let stream = Stream::Unix(stream);
            mailbox.put([Command::Serve(Accepted { stream, what_next })]);
        }
    }
}
