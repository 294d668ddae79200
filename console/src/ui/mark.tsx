/** A state, told by a word and a shape as well as by colour. */
import css from './mark.module.css'

const shapes = { good: '●', warn: '▲', bad: '■', idle: '○' } as const
export type Tone = keyof typeof shapes

export function Mark({ tone, children }: { tone: Tone; children: string }) {
  return (
    <span className={css['mark']}>
      <span aria-hidden="true" className={css[tone]}>
        {shapes[tone]}
      </span>{' '}
      {children}
    </span>
  )
}
