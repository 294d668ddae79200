/** A topic's configuration as rules for `validateBatches`: created once per configuration, not once per append. */
import type { TopicConfig } from '../../log.ts'
import type { BatchRules } from '../../protocol.ts'

export class AppendRules {
  readonly #name: string
  #config: TopicConfig | null = null
  #rules: BatchRules | null = null

  /** `topic-partition`. */
  constructor(name: string) {
    this.#name = name
  }

  /** Filled again by every call. */
  of(config: TopicConfig, origin: BatchRules['origin'], nowMs: number): BatchRules {
    if (this.#rules === null || this.#config !== config) {
      this.#config = config
      this.#rules = {
        origin,
        name: this.#name,
        maxMessageBytes: config.maxMessageBytes,
        segmentBytes: config.segmentBytes,
        compacted: config.cleanupPolicy.compact,
        timestampType: config.messageTimestampType,
        timestampBeforeMaxMs: config.messageTimestampBeforeMaxMs,
        timestampAfterMaxMs: config.messageTimestampAfterMaxMs,
        nowMs,
      }
    }
    this.#rules.origin = origin
    this.#rules.nowMs = nowMs
    return this.#rules
  }
}
