// A TCP proxy between a client and the broker that can lose what one of them says.
import net from 'node:net'

import { waitUntil } from './cases.mjs'

export class Proxy {
  #server
  #sockets = new Set()
  // Whose bytes are lost: 'broker', 'client' or null.
  #losing = null
  #lost = 0

  /** Listens on a free port of the loopback address. */
  static async listen(trial) {
    const proxy = new Proxy()
    proxy.#server = net.createServer((client) => proxy.#join(client, trial.host, trial.port))
    await new Promise((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve))
    proxy.port = proxy.#server.address().port
    trial.atEnd(() => proxy.close())
    return proxy
  }

  #join(client, host, port) {
    const broker = net.connect(port, host)
    for (const [from, to, name] of [
      [client, broker, 'client'],
      [broker, client, 'broker']
    ]) {
      this.#sockets.add(from)
      from.on('data', (data) => {
        if (this.#losing === name) this.#lost += data.length
        else to.write(data)
      })
      // A side that loses its bytes is silent, not gone.
      from.on('close', () => this.#losing === name || to.destroy())
      from.on('error', () => {})
    }
  }

  /** From now on nothing from this side ('broker' or 'client') reaches the other. */
  loseFrom(side) {
    this.#losing = side
    this.#lost = 0
  }

  async untilLost() {
    await waitUntil(() => this.#lost > 0, 'bytes that the proxy loses')
  }

  /** Closes every connection through the proxy; later ones are passed on whole. */
  cut() {
    for (const socket of this.#sockets) socket.destroy()
    this.#sockets.clear()
    this.#losing = null
  }

  close() {
    this.#server.close()
    this.cut()
  }
}
