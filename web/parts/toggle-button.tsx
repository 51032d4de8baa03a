import { t } from '../strings/t.js';

export interface ToggleButtonProps {
  /** Of what: part of the accessible name. */
  name: string;
  isOn: boolean;
  isBusy: boolean;
  onToggle: () => void;
}

/** Turns something off, or on again. */
export function ToggleButton({ name, isOn, isBusy, onToggle }: ToggleButtonProps) {
  const action = t(isOn ? 'toggle.off' : 'toggle.on');
  return (
    <button type="button" aria-label={t('toggle.of', { action, name })} disabled={isBusy} onClick={onToggle}>
      {action}
    </button>
  );
}
