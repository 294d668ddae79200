/** A small MQTT broker for tests: one session, which it keeps; what is not acknowledged it gives again. */
import { type AddressInfo, createServer, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { parser as makeParser, type Packet, writeToStream } from 'mqtt-packet'
import type { System } from '../../base.ts'

interface Kept {
  readonly id: number
  readonly topic: string
  readonly payload: string
  readonly qos: 1 | 2
  isSent: boolean
}

export class FakeMqtt {
  readonly received: Packet[] = []
  /** What CONNACK says. */
  returnCode = 0
  /** What SUBACK says of every topic; null: what was asked for. */
  granted: number | null = null
  /** Whether it gives a message where SUBACK is due, and ends. */
  isHasty = false
  readonly kept: Kept[] = []
  #hasSession = false
  #nextId = 1
  #socket: Socket | null = null
  readonly #server = createServer(socket => this.#serve(socket))

  static async start(test: TestContext): Promise<FakeMqtt> {
    const fake = new FakeMqtt()
    await new Promise<void>(resolve => fake.#server.listen(0, '127.0.0.1', resolve))
    test.after(() => {
      fake.#socket?.destroy()
      fake.#server.close()
    })
    return fake
  }

  get uri(): string {
    return `tcp://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  publish(topic: string, payload: string, qos: 1 | 2): void {
    this.kept.push({ id: this.#nextId++, topic, payload, qos, isSent: false })
    this.#give()
  }

  raw(bytes: Buffer): void {
    this.#socket?.write(bytes)
  }

  /** Whether the bytes are taken, by the source and by what is between; false: not while the process had nothing to do for a while. */
  async taken(bytes: Buffer, { timers, clock }: System): Promise<boolean> {
    let isTaken = false
    this.#socket!.write(bytes, () => {
      isTaken = true
    })
    for (let idle = 0; !isTaken && idle < 20; ) {
      const from = clock.monotonic()
      await new Promise<void>(resolve => void timers.after(5, resolve))
      idle = clock.monotonic() - from < 15 ? idle + 1 : 0
    }
    return isTaken
  }

  /** Reads nothing, until `hear`. */
  deafen(): void {
    this.#socket!.pause()
  }

  /** What it has not read is left out. */
  hear(): void {
    this.#socket!.removeAllListeners('data').resume()
  }

  break(): void {
    this.#socket?.destroy()
    this.#socket = null
  }

  /** As after a start without its data. */
  forget(): void {
    this.#hasSession = false
    this.#nextId = 1
    this.kept.length = 0
  }

  #serve(socket: Socket): void {
    this.#socket = socket
    socket.on('error', () => {})
    const parser = makeParser({ protocolVersion: 4 })
    parser.on('packet', packet => this.#answer(packet))
    socket.on('data', chunk => void parser.parse(chunk))
  }

  #answer(packet: Packet): void {
    this.received.push(packet)
    if (packet.cmd === 'connect') {
      this.#write({ cmd: 'connack', returnCode: this.returnCode, sessionPresent: this.#hasSession && packet.clean !== true })
      this.#hasSession = true
      for (const each of this.kept) each.isSent = false
    } else if (packet.cmd === 'subscribe' && this.isHasty) {
      this.#write({ cmd: 'publish', topic: 'plant/a', payload: 'early', qos: 0, dup: false, retain: false })
      this.#socket!.end()
    } else if (packet.cmd === 'subscribe') {
      this.#write({ cmd: 'suback', messageId: packet.messageId!, granted: packet.subscriptions.map(({ qos }) => this.granted ?? qos) })
      this.#give(true)
    } else if (packet.cmd === 'puback' || packet.cmd === 'pubcomp') this.#forgetMessage(packet.messageId!)
    else if (packet.cmd === 'pubrec') this.#write({ cmd: 'pubrel', messageId: packet.messageId! })
    else if (packet.cmd === 'pingreq') this.#write({ cmd: 'pingresp' })
  }

  #forgetMessage(id: number): void {
    const at = this.kept.findIndex(each => each.id === id)
    if (at !== -1) this.kept.splice(at, 1)
  }

  #give(isAgain = false): void {
    for (const each of this.kept) {
      if (each.isSent || this.#socket === null) continue
      const { id, topic, payload, qos } = each
      this.#write({ cmd: 'publish', topic, payload, qos, dup: isAgain, retain: false, messageId: id })
      each.isSent = true
    }
  }

  #write(packet: Packet): void {
    if (this.#socket !== null) writeToStream(packet, this.#socket)
  }
}
