/**
 * triggers: functions that are called with the records of topics, as Tencent's SCF and AWS Lambda do.
 *
 * Hides how functions run in processes of their own, how batches are tried again, split and given up, how several workers share triggers, and that a trigger
 * is a record of a compacted topic.
 */
export { openTriggers } from './triggers/open.ts'
