import type { ReactNode } from 'react';

export interface CardListProps<Item> {
  items: readonly Item[];
  keyOf: (item: Item) => string;
  /** The words for an empty list. */
  none: string;
  children: (item: Item) => ReactNode;
}

/** A list of items, each a card, or the words for none. */
export function CardList<Item>({ items, keyOf, none, children }: CardListProps<Item>) {
  return (
    <>
      {items.length === 0 && <p className="quiet">{none}</p>}
      <ul className="cards">
        {items.map((item) => (
          <li key={keyOf(item)} className="item">
            {children(item)}
          </li>
        ))}
      </ul>
    </>
  );
}
