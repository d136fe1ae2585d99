# Completion of the ward command. Commands and options come from its own help, so this never lags behind.
_ward()
{
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]}
    local names verbs

    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ] || { [ "$command" = help ] && [ "$COMP_CWORD" -eq 2 ]; }; then
        names=$("${COMP_WORDS[0]}" help 2>/dev/null | sed -n '/^commands:/,/^$/s/^  \([a-z]*\) .*/\1/p')
        mapfile -t COMPREPLY < <(compgen -W "$names" -- "$word")
    elif [[ $word == -* ]]; then
        names=$("${COMP_WORDS[0]}" "$command" -h 2>/dev/null |
                    sed -n 's/^  *\(-., \)\{0,1\}\(--[a-z0-9-]*\).*/\2/p')
        mapfile -t COMPREPLY < <(compgen -W "$names" -- "$word")
    else
        [ "$COMP_CWORD" -ne 2 ] || verbs=$("${COMP_WORDS[0]}" "$command" -h 2>/dev/null |
                    sed -n "s/^\(usage:\|      \) ward $command //p" | sed 's/\[options].*//' | tr '|' '\n' |
                    sed -n 's/^ *\[\{0,1\}\([a-z][a-z0-9]*\)\(]\{0,1\} *\| .*\)$/\1/p')
        [ -z "$verbs" ] || mapfile -t COMPREPLY < <(compgen -W "$verbs" -- "$word")
        case $before in
        --device) mapfile -t COMPREPLY < <(compgen -W "cpu ref" -- "$word") ;;
        --method) mapfile -t COMPREPLY < <(compgen -W "baseline fixed learned generator keyed" -- "$word") ;;
        --audit-sync) mapfile -t COMPREPLY < <(compgen -W "always second" -- "$word") ;;
        --recipe) mapfile -t COMPREPLY < <(compgen -W "paper fast demo" -- "$word") ;;
        esac
        [ "${#COMPREPLY[@]}" -gt 0 ] || mapfile -t COMPREPLY < <(compgen -f -- "$word")
    fi
}
complete -o filenames -F _ward ward
