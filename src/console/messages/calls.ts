/** Calls between two threads over a port: each has an answer, and all fail when the port closes. */
import type { MessagePort, Transferable } from 'node:worker_threads'

/** By name; each takes and gives plain data. */
export type Handlers = Readonly<Record<string, (argument: never) => Promise<unknown>>>

interface Answered {
  resolve(value: unknown): void
  reject(error: Error): void
}

type Message = { call: number; name: string; argument: unknown } | { answer: number; value: unknown } | { answer: number; error: string }

export class Calls {
  readonly #port: MessagePort
  readonly #waiting = new Map<number, Answered>()
  #last = 0

  /** A handler that throws fails the call with its message. */
  constructor(port: MessagePort, handlers: Handlers, closed: () => void) {
    this.#port = port
    port.on('message', (message: Message) => {
      if ('call' in message) void this.#serve(message, handlers)
      else this.#settle(message)
    })
    port.once('close', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('the other thread has ended'))
      this.#waiting.clear()
      closed()
    })
  }

  ask(name: string, argument: unknown): Promise<unknown> {
    const call = ++this.#last
    return new Promise((resolve, reject) => {
      this.#waiting.set(call, { resolve, reject })
      this.#port.postMessage({ call, name, argument } satisfies Message)
    })
  }

  close(): void {
    this.#port.close()
  }

  async #serve({ call, name, argument }: Extract<Message, { call: number }>, handlers: Handlers): Promise<void> {
    try {
      const value = await handlers[name]!(argument as never)
      this.#port.postMessage({ answer: call, value } satisfies Message, movable(value))
    } catch (error) {
      this.#port.postMessage({ answer: call, error: (error as Error).message } satisfies Message)
    }
  }

  #settle(message: Exclude<Message, { call: number }>): void {
    const waiting = this.#waiting.get(message.answer)
    this.#waiting.delete(message.answer)
    if ('error' in message) waiting?.reject(new Error(message.error))
    else waiting?.resolve(message.value)
  }
}

/** Bytes that have memory of their own are moved, not copied. */
function movable(value: unknown): Transferable[] {
  const { batches } = (value ?? {}) as { batches?: Uint8Array }
  return batches === undefined ? [] : [batches.buffer as ArrayBuffer]
}
