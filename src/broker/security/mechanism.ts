/** The interface of a SASL mechanism: it receives and returns tokens, and finally a principal. */

export type Step =
  | { done: false; reply: Buffer }
  | {
      done: true
      reply: Buffer
      /** `User:alice` */
      principal: string
      viaToken?: boolean
      /** Wall clock; when what the client showed ends. */
      expiresAtMs?: number
    }

/** One exchange; `step` throws {@link AuthenticationFailed}. */
export interface SaslServer {
  step(token: Buffer): Step | Promise<Step>
}

export interface SaslMechanism {
  readonly name: string
  open(): SaslServer
}

/**
 * `told` is sent to the client, and must never reveal whether a user exists; null means Kafka's general message. The message is for the
 * audit log.
 */
export class AuthenticationFailed extends Error {
  readonly told: string | null

  constructor(reason: string, told: string | null = null) {
    super(reason)
    this.name = 'AuthenticationFailed'
    this.told = told
  }
}
