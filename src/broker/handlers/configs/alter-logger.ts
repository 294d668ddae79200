/** The resource BROKER_LOGGER: levels of loggers, which last until the broker stops (KIP-412). Millrace has one logger, `root`. */

import type { Logger } from '../../../logger.ts'
import { KafkaError } from '../../../protocol.ts'
import { type Alteration, type BrokerConfig, rootLogger } from '../../config.ts'
import { type KafkaLevel, kafkaLevel, kafkaLevels, setKafkaLevel } from './kafka-levels.ts'

/** Throws KafkaError, and then changes nothing. */
export function alterLogger(
  { config, logger }: { config: BrokerConfig; logger: Logger },
  name: string,
  alterations: readonly Alteration[],
  validateOnly: boolean,
): void {
  const id = config.get('node.id')
  if (!/^[+-]?\d{1,10}$/.test(name)) throw new KafkaError('INVALID_REQUEST', `Node id must be an integer, but it is: ${name}`)
  if (Number(name) !== id) throw new KafkaError('INVALID_REQUEST', `Unexpected node id. Expected ${id}, but received ${name}`)
  const levels = alterations.map(alteration => checkAlteration(logger, alteration))
  if (!validateOnly) for (const level of levels) setKafkaLevel(logger, level)
}

function checkAlteration(logger: Logger, { name, operation, value }: Alteration): KafkaLevel {
  if (operation === 'APPEND' || operation === 'SUBTRACT') {
    throw new KafkaError('INVALID_REQUEST', `${operation} operation is not allowed for the BROKER_LOGGER resource`)
  }
  if (name !== rootLogger || kafkaLevel(logger) === null) throw new KafkaError('INVALID_CONFIG', `Logger ${name} does not exist!`)
  if (operation === 'DELETE') throw new KafkaError('INVALID_REQUEST', `Removing the log level of the ${name} logger is not allowed`)
  const level = kafkaLevels.find(known => known === value)
  if (level !== undefined) return level
  const known = [...kafkaLevels].sort().join(', ')
  throw new KafkaError(
    'INVALID_CONFIG',
    `Cannot set the log level of ${name} to ${value} as it is not a supported log level. Valid log levels are ${known}`,
  )
}
