/** PostgreSQL: rows inserted, and rows inserted or replaced by their key. */
import pg from 'pg'
import { type StartedPostgres, startPostgres } from '../../../compat/support/stores.ts'
import { fillOrders, type Orders } from '../orders.ts'
import { becomes, type Row, type Side, type Target } from '../target.ts'

const fullCount = 300_000
const batch = 3_000
const lookMs = 100

export const jdbc: Target = {
  name: 'jdbc',
  rows: ['jdbc-insert', 'jdbc-upsert'],
  about: `Debezium's JDBC sink 3.6.0: Maven Central has neither Confluent's nor Aiven's. It has not the version of hibernate-agroal that Debezium asks for either; 7.2.19
  takes its place. Both sides: transactions of ${batch.toLocaleString('en')} records (\`batch.size\`, \`consumer.max.poll.records\`), offsets in Kafka (ours with \`exactly.once=false\`, because
  Debezium's knows nothing else), PostgreSQL with its default settings, with which a commit waits for the disk. Debezium's has \`reWriteBatchedInserts=true\`. A record
  is 200 bytes of JSON, with 500 bytes of schema.`,
  plugin: {
    name: 'jdbc',
    artifacts: [
      'org.hibernate.orm:hibernate-core:7.2.6.Final',
      'org.hibernate.orm:hibernate-agroal:7.2.19.Final',
      'io.debezium:debezium-connector-jdbc:3.6.0.Final',
      'org.postgresql:postgresql:42.7.8',
    ],
    // It looks for modules of Jackson, and finds the runtime's, which do not go with a Jackson of its own.
    without: ['org.hibernate:hibernate-agroal', 'com.fasterxml.jackson.core:*'],
  },
  properties: { 'consumer.max.poll.records': String(batch) },
  async open({ client, scale }) {
    const orders = await fillOrders(client, 'orders', fullCount * scale, true)
    const server = await startPostgres()
    const database = new pg.Client({
      host: '127.0.0.1',
      port: server.postgres.port,
      user: server.user,
      password: server.password,
      database: 'postgres',
    })
    await database.connect()
    return {
      rows: (['insert', 'upsert'] as const).map(mode => row(mode, orders, server, database)),
      async close() {
        await database.end()
        await server.remove()
      },
    }
  },
}

function row(mode: 'insert' | 'upsert', orders: Orders, server: StartedPostgres, database: pg.Client): Row {
  const isInsert = mode === 'insert'
  const wanted = isInsert ? orders.records : orders.orders
  return {
    name: `jdbc-${mode}`,
    what: `topic of 4 partitions to PostgreSQL, ${isInsert ? 'rows inserted' : 'upsert by key, each key three times'}, 2 tasks`,
    records: orders.records,
    async pass(worker, side, id) {
      const table = tableOf(id)
      await worker.rest('PUT', `/connectors/${id}/config`, { ...shared, ...configs[side](mode, table, server) })
      // The sum is that of the last versions only when each row has had its last.
      const sum = isInsert ? orders.versionSum * 1.5 : orders.versionSum
      await becomes(
        worker,
        id,
        async () => {
          const found = await database
            .query(`select count(*)::int as rows, coalesce(sum(version), 0)::int as versions from ${table}`)
            .catch((error: unknown) => {
              if ((error as { code?: string }).code === '42P01') return { rows: [{ rows: 0, versions: 0 }] }
              throw error
            })
          const { rows, versions } = found.rows[0] as { rows: number; versions: number }
          if (rows > wanted) throw new Error(`${id}: ${rows} rows instead of ${wanted}`)
          return rows === wanted && versions === sum
        },
        lookMs,
      )
    },
    async after(id) {
      await database.query(`drop table ${tableOf(id)}`)
      await database.query('checkpoint')
    },
  }
}

const tableOf = (id: string) => id.replaceAll('-', '_')

const shared = {
  'tasks.max': '2',
  topics: 'orders',
  'value.converter': 'org.apache.kafka.connect.json.JsonConverter',
  'value.converter.schemas.enable': 'true',
  'batch.size': String(batch),
}

const configs: Readonly<Record<Side, (mode: 'insert' | 'upsert', table: string, server: StartedPostgres) => Record<string, string>>> = {
  millrace: (mode, table, { postgres, user, password }) => ({
    'connector.class': 'jdbc',
    'connection.url': `jdbc:postgresql://127.0.0.1:${postgres.port}/postgres`,
    'connection.user': user,
    'connection.password': password,
    'table.name.format': table,
    'insert.mode': mode,
    'auto.create': 'true',
    'exactly.once': 'false',
    ...(mode === 'insert' ? { 'pk.mode': 'none' } : { 'pk.mode': 'record_value', 'pk.fields': 'id' }),
  }),
  kafka: (mode, table, { postgres, user, password }) => ({
    'connector.class': 'io.debezium.connector.jdbc.JdbcSinkConnector',
    'connection.url': `jdbc:postgresql://127.0.0.1:${postgres.port}/postgres?reWriteBatchedInserts=true`,
    'connection.username': user,
    'connection.password': password,
    'collection.name.format': table,
    'insert.mode': mode,
    'schema.evolution': 'basic',
    ...(mode === 'insert' ? { 'primary.key.mode': 'none' } : { 'primary.key.mode': 'record_value', 'primary.key.fields': 'id' }),
  }),
}
