/** The level of the broker's log in Kafka's words (KIP-412), for the configs of BROKER_LOGGER. */
import type { Logger } from '../../../logger.ts'

/** The least important first, and those of the logger. */
const levels = { TRACE: 'trace', DEBUG: 'debug', INFO: 'info', WARN: 'warn', ERROR: 'error', FATAL: 'fatal' } as const
export type KafkaLevel = keyof typeof levels
export const kafkaLevels = Object.keys(levels) as readonly KafkaLevel[]

/** null when the logger has no levels. */
export function kafkaLevel(logger: Logger): KafkaLevel | null {
  return kafkaLevels.find(level => levels[level] === logger.level) ?? null
}

export function setKafkaLevel(logger: Logger, level: KafkaLevel): void {
  logger.level = levels[level]
}
