/**
 * Change data capture from PostgreSQL: every row that is inserted, updated or deleted becomes a record, as Debezium's connector makes it, by logical replication.
 *
 * Exactly once with transactions: an offset says exactly which record was the last one, and the server is told that changes are safe only after they are in Kafka.
 */
import { defineSource, type SourceContext, type SourceTask } from '../../connector.ts'
import { refuses } from '../change-data/refusals.ts'
import { ChangeTask } from '../change-data/task.ts'
import { jsonKeys, jsonValues } from '../values/formats.ts'
import { keys } from './keys.ts'
import { offsetOf, type Position, positionOf } from './position.ts'
import { Session } from './session.ts'

export const postgresqlCdc = defineSource({
  name: 'postgresql-cdc',
  classes: ['io.debezium.connector.postgresql.PostgresConnector'],
  version: '1',
  summary: 'Captures every change of PostgreSQL tables by logical replication, each once, with the records of Debezium.',
  example: {
    'database.hostname': '127.0.0.1',
    'database.port': '5432',
    'database.user': 'postgres',
    'database.password': '${env:PGPASSWORD}',
    'database.dbname': 'postgres',
    'topic.prefix': 'shop',
    'table.include.list': 'public\\..*',
  },
  formats: { ...jsonKeys, ...jsonValues },
  config: keys,
  refuses,
  exactlyOnce: config => config['snapshot.mode'] !== 'always',
  async open(config, context: SourceContext): Promise<SourceTask> {
    // Only the offset of another start does not count: a session that breaks goes on where it was.
    const form = {
      positionOf: config['snapshot.mode'] === 'always' ? () => null : positionOf,
      offsetOf: (position: Position) => offsetOf(position, null, null),
    }
    const task = new ChangeTask(config, context, form, position => new Session(config, context, position))
    await task.begin()
    return task
  },
})
