import type * as support from '../../support/systems.ts'
import type { Stage } from '../stage.ts'

export type { Judge } from '../../support/systems.ts'

/** A target with its cases. */
export type System = support.System<Stage>
