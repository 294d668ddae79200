/** A TCP proxy on loopback that can be cut: the network between two processes. */
import { connect, createServer, type Server, type Socket } from 'node:net'
import { freePorts } from './run.ts'

export class WayTo {
  readonly port: number
  readonly #to: number
  readonly #server: Server
  readonly #pairs = new Set<{ near: Socket; far: Socket }>()
  #cut: 'no' | 'refused' | 'silent' = 'no'

  static async port(port: number): Promise<WayTo> {
    const own = await freePorts(1)
    const proxy = new WayTo(own, port)
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once('error', reject).listen(own, '127.0.0.1', resolve)
    })
    return proxy
  }

  private constructor(port: number, to: number) {
    this.port = port
    this.#to = to
    this.#server = createServer({ allowHalfOpen: true }, near => this.#join(near))
  }

  /** `refused`: connections break and no new one is made. `silent`: they stay, and nothing passes, as behind a dead switch. */
  cut(how: 'refused' | 'silent'): void {
    this.#cut = how
    for (const { near, far } of this.#pairs) {
      if (how === 'refused') {
        near.resetAndDestroy()
        far.resetAndDestroy()
      } else {
        near.pause()
        far.pause()
      }
    }
  }

  heal(): void {
    this.#cut = 'no'
    for (const { near, far } of this.#pairs) {
      near.resume()
      far.resume()
    }
  }

  close(): void {
    this.cut('refused')
    this.#server.close()
  }

  #join(near: Socket): void {
    if (this.#cut === 'refused') {
      near.resetAndDestroy()
      return
    }
    const far = connect({ port: this.#to, host: '127.0.0.1', allowHalfOpen: true })
    const pair = { near, far }
    this.#pairs.add(pair)
    const gone = () => {
      this.#pairs.delete(pair)
      near.destroy()
      far.destroy()
    }
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.setNoDelay(true)
      from.on('data', data => {
        if (!to.write(data)) from.pause()
      })
      to.on('drain', () => {
        if (this.#cut === 'no') from.resume()
      })
      from.on('end', () => to.end())
      from.on('error', gone)
      from.on('close', gone)
    }
    if (this.#cut === 'silent') {
      near.pause()
      far.pause()
    }
  }
}
