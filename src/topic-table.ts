/**
 * topic-table: the state of a service as a compacted topic: read to its end at the start, then followed.
 *
 * Hides how the topic is created and checked, and that a write is durable, and visible in this process, when its promise resolves. Every process that
 * opens the same topic sees the same records in the same order, so none of them has state of its own.
 */
export { openTopicTable, type TableRecord, type TopicTable, type TopicTableOptions } from './topic-table/table.ts'
