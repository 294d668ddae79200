/**
 * Change data capture from MySQL and MariaDB: every row that is inserted, updated or deleted becomes a record, as Debezium's connector makes it, by the binlog.
 *
 * Exactly once with transactions: an offset says which transactions are done, by GTID or by position, and how many rows of the next one.
 */
import { defineSource, type SourceContext, type SourceTask } from '../../connector.ts'
import { refuses } from '../change-data/refusals.ts'
import { ChangeTask } from '../change-data/task.ts'
import { jsonKeys, jsonValues } from '../values/formats.ts'
import { keys } from './keys.ts'
import { offsetOf, type Position, positionOf } from './position.ts'
import { Session } from './session.ts'

export const mysqlCdc = defineSource({
  name: 'mysql-cdc',
  classes: ['io.debezium.connector.mysql.MySqlConnector', 'io.debezium.connector.mariadb.MariaDbConnector'],
  version: '1',
  summary: 'Captures every change of MySQL and MariaDB tables by the binlog, each once, with the records of Debezium.',
  example: {
    'database.hostname': '127.0.0.1',
    'database.port': '3306',
    'database.user': 'root',
    'database.password': '${env:MYSQL_PWD}',
    'topic.prefix': 'shop',
    'database.include.list': 'inventory',
  },
  formats: { ...jsonKeys, ...jsonValues },
  config: keys,
  refuses,
  check(config) {
    const problems = new Map<string, string>()
    if (config['signal.data.collection'] !== '')
      problems.set('signal.data.collection', 'there are no signals and no incremental snapshots of MySQL')
    return problems
  },
  exactlyOnce: () => true,
  async open(config, context: SourceContext): Promise<SourceTask> {
    const form = { positionOf, offsetOf: (position: Position) => offsetOf(position, null, false) }
    const task = new ChangeTask(config, context, form, position => new Session(config, context, position))
    await task.begin()
    return task
  },
})
