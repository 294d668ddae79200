/** Keys of Confluent's and Aiven's JDBC connectors, sink and source, that are not there. */
import type { Refusal } from '../../connector.ts'

export const refuses: readonly Refusal[] = [
  { key: /^timestamp\.fields\.list$/, why: 'let the transform TimestampConverter make them timestamps' },
  { key: /^timestamp\.precision\.mode$/, why: 'timestamps have the precision of their schema', unless: ['', 'microseconds'] },
  { key: /^string\.output\.value\.column\.name$/, why: 'let the transform HoistField put the text into a column' },
  { key: /^mssql\..+$/, why: 'of databases there are PostgreSQL, MySQL and MariaDB', unless: ['', 'false'] },
  { key: /^topics\.to\.tables\.mapping$/, why: 'table.name.format names the table, or RegexRouter the topic' },
  { key: /^sql\.quote\.identifiers$/, why: 'give quote.sql.identifiers=never', unless: ['', 'true'] },
  { key: /^table\.name\.normalize$/, why: 'let RegexRouter change the topic', unless: ['', 'false'] },
]

export const sourceRefuses: readonly Refusal[] = [
  {
    key: /^(?:schema\.pattern|catalog\.pattern|table\.include\.list)$/,
    why: 'give the tables in table.whitelist, with their schema',
  },
  { key: /^table\.exclude\.list$/, why: 'give the tables in table.blacklist, with their schema' },
  { key: /^numeric\.precision\.mapping$/, why: 'give it as numeric.mapping', unless: ['', 'false'] },
  { key: /^query\.suffix$/, why: 'write it in query' },
  { key: /^query\.masked$/, why: 'give it as query, where ${file:…} keeps it from being shown' },
  { key: /^timestamp\.granularity$/, why: 'timestamps are of the type Timestamp', unless: ['', 'connect_logical'] },
  { key: /^transaction\.isolation\.mode$/, why: "the database's own isolation counts", unless: ['', 'DEFAULT'] },
  {
    key: /^(?:incrementing|timestamp)\.columns?\.mapping$/,
    why: 'give incrementing.column.name and timestamp.column.name, which hold for all tables',
  },
  {
    key: /^jdbc\.credentials\.provider\.class$/,
    why: 'give connection.user and connection.password; ${file:…} and ${env:…} keep them elsewhere',
    unless: ['', 'io.confluent.connect.jdbc.util.DefaultJdbcCredentialsProvider'],
  },
  { key: /^incrementing\.initial$/, why: 'rows are read from the first one on; query reads others', unless: ['', '-1'] },
  { key: /^timestamp\.initial\.ms$/, why: 'give it as timestamp.initial', unless: ['', '0'] },
  {
    key: /^table\.names\.qualify$/,
    why: 'topics are named by the prefix and the table alone, or topic.prefix says more',
    unless: ['', 'true'],
  },
  { key: /^sql\.quote\.identifiers$/, why: 'give quote.sql.identifiers=never', unless: ['', 'true'] },
  { key: /^table\.types$/, why: 'tables are read; query reads a view', unless: ['', 'TABLE'] },
]
