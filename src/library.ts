/**
 * library: the client library whose consumer of groups clients use, without the work that it does when it is loaded, for nothing: it compiles some forty validators of options that it checks only if it is told
 * to (`strict`), which we never do, because our types and our own checks come first. Here each would be compiled when it is first used.
 */
import { restore } from './library/lazy-validators.ts'

export {
  Admin,
  Consumer,
  compatibilityPartitioner,
  compressionsAlgorithms,
  kGetApi,
  Producer,
} from '@platformatic/kafka'

restore()
