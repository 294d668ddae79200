/** A button that opens a list of things to do. */
import { DropdownMenu } from 'radix-ui'
import type { ReactNode } from 'react'
import { Button } from './button.tsx'
import css from './menu.module.css'

export interface MenuItem {
  title: string
  bad?: boolean
  /** It is saved by the browser. */
  href?: string
  onSelect?: () => void
}

interface MenuProps {
  /** For who cannot see what the button shows. */
  label?: string
  trigger?: ReactNode
  small?: boolean
  /** In groups, with a line between two. */
  groups: readonly (readonly MenuItem[])[]
}

export function Menu({ label, trigger = '⋯', small = false, groups }: MenuProps) {
  const shown = groups.filter(each => each.length > 0)
  return (
    <DropdownMenu.Root modal={false}>
      <DropdownMenu.Trigger asChild>
        <Button small={small} {...(label === undefined ? {} : { 'aria-label': label })}>
          {trigger}
        </Button>
      </DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content className={css['menu']} align="end" sideOffset={4}>
          {shown.map((items, at) => (
            <DropdownMenu.Group key={items[0]!.title}>
              {at > 0 && <DropdownMenu.Separator className={css['line']} />}
              {items.map(each => (
                <Item key={each.title} {...each} />
              ))}
            </DropdownMenu.Group>
          ))}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  )
}

function Item({ title, bad = false, href, onSelect }: MenuItem) {
  const className = `${css['item']} ${bad ? css['bad'] : ''}`
  if (href !== undefined)
    return (
      <DropdownMenu.Item className={className} asChild>
        <a href={href} download>
          {title}
        </a>
      </DropdownMenu.Item>
    )
  return (
    <DropdownMenu.Item className={className} onSelect={() => onSelect?.()}>
      {title}
    </DropdownMenu.Item>
  )
}
