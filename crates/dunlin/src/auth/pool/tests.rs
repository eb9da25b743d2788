use std::sync::mpsc::channel;

use super::*;

#[tokio::test]
async fn no_more_waits_than_is_allowed() {
    let pool = Arc::new(Pool::start("test", 1, 1).unwrap());
    let (began, has_begun) = channel();
    let (release, is_released) = channel::<()>();
    let first = tokio::spawn({
        let pool = Arc::clone(&pool);
        async move {
            let work = move || {
                began.send(()).unwrap();
                is_released.recv().unwrap();
                1
            };
            pool.run(work).await
        }
    });
    let begun = tokio::task::spawn_blocking(move || has_begun.recv());
    begun.await.unwrap().unwrap();
    let mut second = Box::pin(pool.run(|| 2));
    assert!(futures_pending(&mut second).await);
    assert_eq!(pool.run(|| 3).await, Err(NotDone));
    release.send(()).unwrap();
    assert_eq!(first.await.unwrap(), Ok(1));
    assert_eq!(second.await, Ok(2));
    assert_eq!(pool.run(|| 4).await, Ok(4));
}

/// Whether it is not done when it is asked once, which begins it.
async fn futures_pending(future: &mut (impl Future + Unpin)) -> bool {
    std::future::poll_fn(|context| {
        let is_pending = std::pin::Pin::new(&mut *future).poll(context).is_pending();
        std::task::Poll::Ready(is_pending)
    })
    .await
}

#[tokio::test]
async fn a_panic_is_no_answer_and_the_thread_goes_on() {
    let pool = Pool::start("test", 1, 4).unwrap();
    let broken = pool.run(|| -> u8 { panic!("as the test wants it") }).await;
    assert_eq!(broken, Err(NotDone));
    assert_eq!(pool.run(|| 1).await, Ok(1));
}
