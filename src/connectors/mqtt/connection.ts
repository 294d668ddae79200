/**
 * One connection to an MQTT broker (3.1.1) that receives: messages wait in a bounded queue until they are taken, and are acknowledged when it is said.
 *
 * Packets are read and written by mqtt-packet, the codec of the mqtt library. That library itself acknowledges each message before it reads the next one, so
 * that every message would wait for a commit of its own.
 */
import { connect as connectPlain, type Socket } from 'node:net'
import { connect as connectSecure } from 'node:tls'
import { type IConnackPacket, type IPublishPacket, type ISubackPacket, parser as makeParser, type Packet, writeToStream } from 'mqtt-packet'
import type { System } from '../../base.ts'
import { RetriableError } from '../../connector.ts'
import type { TlsSettings } from '../http-client/http-client.ts'
import type { Config, Server } from './keys.ts'

export interface Message {
  readonly topic: string
  readonly payload: Buffer
  readonly qos: 0 | 1 | 2
  readonly isRetained: boolean
  readonly isDuplicate: boolean
  /** null: of QoS 0. */
  readonly id: number | null
}

/** Of CONNACK, section 3.2.2.3. */
const refusals: Readonly<Record<number, string>> = {
  1: 'it does not speak MQTT 3.1.1',
  2: 'it does not take mqtt.client.id',
  3: 'it is not available',
  4: 'user name or password are wrong',
  5: 'the client is not authorised',
}
const notAvailable = 3
const failedSubscription = 0x80

export class Connection {
  readonly #socket: Socket
  readonly #system: System
  readonly #config: Config
  readonly #parser = makeParser({ protocolVersion: 4 })
  #queue: Message[] = []
  readonly #waiting = new Set<() => void>()
  /** Of what is asked before messages are taken. */
  #refuse: (error: Error) => void = () => {}
  /** Since the last whole packet. */
  #partBytes = 0
  #queuedBytes = 0
  #heardMs: number
  #error: Error | null = null
  #answer: ((packet: Packet) => void) | null = null
  /** Whether the broker knew the session already. */
  isResumed = false

  /** Connected and subscribed. Throws RetriableError if that may go well later. */
  static async open(config: Config, server: Server, tls: TlsSettings, clientId: string, system: System): Promise<Connection> {
    const { host, port } = server
    const socket = server.isSecure ? connectSecure({ host, port, servername: host, ...tls }) : connectPlain({ host, port })
    const connection = new Connection(socket, config, system)
    const timer = system.timers.after(config['mqtt.connect.timeout.seconds'] * 1_000, () =>
      connection.#fail(new RetriableError(`${host}:${port} does not answer within mqtt.connect.timeout.seconds`)),
    )
    try {
      await connection.#connect(server, clientId)
      await connection.#subscribe()
      connection.#keepAlive()
      return connection
    } catch (error) {
      connection.close()
      throw error
    } finally {
      timer.cancel()
    }
  }

  private constructor(socket: Socket, config: Config, system: System) {
    this.#socket = socket
    this.#config = config
    this.#system = system
    this.#heardMs = system.clock.monotonic()
    this.#parser.on('packet', packet => this.#received(packet))
    this.#parser.on('error', error => this.#fail(new RetriableError(`the broker sends no MQTT: ${error.message}`, { cause: error })))
    socket.setNoDelay(true)
    socket.on('data', chunk => this.#read(chunk))
    socket.on('drain', () => this.#regulate())
    socket.on('error', error => this.#fail(new RetriableError(`the MQTT broker: ${error.message}`, { cause: error })))
    socket.on('close', () => this.#fail(new RetriableError('the MQTT broker has closed the connection')))
  }

  get isOpen(): boolean {
    return this.#error === null
  }

  /** At most so many, and some megabytes; waits so long if there are none. Throws RetriableError when the connection is lost and nothing is left. */
  async take(most: number, waitMs: number): Promise<readonly Message[]> {
    if (this.#queue.length === 0 && this.#error === null) await this.#wait(waitMs)
    let count = 0
    let bytes = 0
    for (; count < Math.min(most, this.#queue.length) && bytes < mostTakenBytes; count++) bytes += this.#queue[count]!.payload.length
    const taken = this.#queue.splice(0, count)
    this.#queuedBytes -= bytes
    this.#regulate()
    if (taken.length === 0 && this.#error !== null) throw this.#error
    return taken
  }

  /** Kafka has them. */
  acknowledge(messages: readonly { readonly id: number; readonly qos: 1 | 2 }[]): void {
    if (this.#error !== null) return
    this.#socket.cork()
    for (const { id, qos } of messages) this.#send({ cmd: qos === 1 ? 'puback' : 'pubrec', messageId: id })
    this.#socket.uncork()
  }

  close(): void {
    if (this.#error === null) this.#send({ cmd: 'disconnect' })
    this.#error ??= new RetriableError('the connection is closed')
    this.#socket.destroySoon()
    this.#wake()
  }

  async #connect({ host, port, isSecure }: Server, clientId: string): Promise<void> {
    const { 'mqtt.username': username, 'mqtt.password': password } = this.#config
    await this.#until(isSecure ? 'secureConnect' : 'connect')
    const login = { ...(username !== '' && { username }), ...(password !== null && { password: Buffer.from(password) }) }
    const keepalive = this.#config['mqtt.keepalive.interval.seconds']
    const clean = this.#config['mqtt.clean.session.enabled']
    const answer = await this.#ask(
      { cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clean, clientId, keepalive, ...login },
      'connack',
    )
    const { returnCode = 0, sessionPresent } = answer as IConnackPacket
    if (returnCode !== 0) {
      const text = `the MQTT broker ${host}:${port} refuses the connection: ${refusals[returnCode] ?? `code ${returnCode}`}`
      throw returnCode === notAvailable ? new RetriableError(text) : new Error(text)
    }
    this.isResumed = sessionPresent
  }

  async #subscribe(): Promise<void> {
    const { 'mqtt.topics': topics, 'mqtt.qos': qos } = this.#config
    const subscriptions = topics.map(topic => ({ topic, qos: qos as 0 | 1 | 2 }))
    const { granted } = (await this.#ask({ cmd: 'subscribe', messageId: 1, subscriptions }, 'suback')) as ISubackPacket
    const refused = topics.filter((_, at) => granted[at] === undefined || Number(granted[at]) === failedSubscription)
    if (refused.length > 0) throw new Error(`mqtt.topics: the broker refuses ${refused.join(', ')}`)
    const lower = topics.filter((_, at) => Number(granted[at]) < qos)
    if (lower.length > 0) throw new Error(`mqtt.qos: the broker grants less than ${qos} for ${lower.join(', ')}`)
  }

  #ask(packet: Packet, answer: Packet['cmd']): Promise<Packet> {
    return new Promise((resolve, reject) => {
      if (this.#error !== null) return reject(this.#error)
      this.#refuse = reject
      this.#answer = given => {
        if (given.cmd !== answer) return
        this.#answer = null
        resolve(given)
      }
      this.#send(packet)
    })
  }

  #until(event: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.once(event, resolve)
      this.#refuse = reject
    })
  }

  #read(chunk: Buffer): void {
    this.#heardMs = this.#system.clock.monotonic()
    this.#partBytes += chunk.length
    this.#parser.parse(chunk)
    const most = this.#config['mqtt.message.max.bytes'] + mostOverhead
    if (this.#partBytes > most + chunk.length) this.#fail(new Error(`the broker sends a packet of more than mqtt.message.max.bytes`))
  }

  #received(packet: Packet): void {
    this.#partBytes = 0
    if (packet.cmd === 'publish') this.#publish(packet)
    else if (packet.cmd === 'pubrel') this.#send({ cmd: 'pubcomp', messageId: packet.messageId! })
    else this.#answer?.(packet)
  }

  #publish({ topic, payload, qos, retain, dup, messageId }: IPublishPacket): void {
    const bytes = Buffer.from(payload)
    if (bytes.length > this.#config['mqtt.message.max.bytes']) {
      this.#fail(new Error(`a message of ${topic} has ${bytes.length} bytes, more than mqtt.message.max.bytes`))
      return
    }
    this.#queue.push({ topic, payload: bytes, qos, isRetained: retain, isDuplicate: dup, id: qos === 0 ? null : messageId! })
    this.#queuedBytes += bytes.length
    this.#regulate()
    this.#wake()
  }

  get #isFull(): boolean {
    return this.#queue.length >= this.#config['records.buffer.queue.size'] || this.#queuedBytes >= mostQueuedBytes
  }

  #send(packet: Packet): void {
    writeToStream(packet, this.#socket)
    this.#regulate()
  }

  /** Reads on, but not while the queue is full, nor while the broker does not read: what it is answered would be held without end. */
  #regulate(): void {
    if (this.#isFull || this.#socket.writableNeedDrain) this.#socket.pause()
    else this.#socket.resume()
  }

  #keepAlive(): void {
    const ms = this.#config['mqtt.keepalive.interval.seconds'] * 1_000
    const beat = () => {
      if (this.#error !== null) return
      // What is not read cannot be heard.
      if (!this.#isFull && this.#system.clock.monotonic() - this.#heardMs > 2 * ms)
        return this.#fail(new RetriableError('the MQTT broker has not been heard for two keep-alive intervals'))
      this.#send({ cmd: 'pingreq' })
      this.#system.timers.after(ms / 2, beat)
    }
    this.#system.timers.after(ms / 2, beat)
  }

  #wait(ms: number): Promise<void> {
    return new Promise(resolve => {
      const resume = () => {
        timer.cancel()
        this.#waiting.delete(resume)
        resolve()
      }
      const timer = this.#system.timers.after(ms, resume)
      this.#waiting.add(resume)
    })
  }

  #fail(error: Error): void {
    if (this.#error === null) {
      this.#error = error
      // The session gives them again.
      if (!this.#config['mqtt.clean.session.enabled']) this.#queue = this.#queue.filter(({ id }) => id === null)
    }
    this.#socket.destroy()
    this.#wake()
  }

  #wake(): void {
    if (this.#error !== null) this.#refuse(this.#error)
    for (const resume of this.#waiting) resume()
  }
}

const mostTakenBytes = 4 * 2 ** 20
const mostQueuedBytes = 64 * 2 ** 20
/** Of a packet around its message: the topic and the header. */
const mostOverhead = 65_535 + 10
